"""The board: pages for people on top of the ledger."""
