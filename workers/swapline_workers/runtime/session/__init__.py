"""A worker's session with the ledger: leases, writes, and what follows a write."""
