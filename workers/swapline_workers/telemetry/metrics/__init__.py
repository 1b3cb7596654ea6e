"""Prometheus metrics of the whole system, read from the ledger: `swapline metrics`."""
