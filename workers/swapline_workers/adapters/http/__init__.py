"""HTTP to the vendor and to webhook receivers: deadlines, exact reads, connection reuse."""
