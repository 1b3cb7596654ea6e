"""A worker's session with the ledger: which jobs it has leased, how it writes them, and what follows a write."""
