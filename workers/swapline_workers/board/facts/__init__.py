"""What the pages show: read from the ledger, without HTML."""
