"""HTTP to the vendor and to receivers: deadlines, exact reads, connection reuse."""
