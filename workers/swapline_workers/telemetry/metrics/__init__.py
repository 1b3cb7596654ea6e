"""Prometheus metrics of the whole system, read from the ledger: `swapline metrics`.

`catalog.py` names them, `collector.py` reads them, `serving.py` serves them, with a password where it must be.
"""
