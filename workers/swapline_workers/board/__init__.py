"""The board: pages for people on top of the ledger, with a bounded number of reads each."""
