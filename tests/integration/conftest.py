from installation import installation, receiver, vendor
from servers import ledger, prefix, time, valkey

__all__ = ["installation", "ledger", "prefix", "receiver", "time", "valkey", "vendor"]
