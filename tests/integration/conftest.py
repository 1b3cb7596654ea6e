from installation import installation, receiver, vendor
from servers import ledger, prefix, time, valkey
from stores import s3_server, storage

__all__ = ["installation", "ledger", "prefix", "receiver", "s3_server", "storage", "time", "valkey", "vendor"]
