from servers import ledger, prefix, time, valkey

__all__ = ["ledger", "prefix", "time", "valkey"]
