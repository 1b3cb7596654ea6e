from installation import installation, receiver, vendor
from servers import ledger, prefix, time, valkey
from stores import real_s3_server, s3_server, storage

__all__ = [
    "installation",
    "ledger",
    "prefix",
    "real_s3_server",
    "receiver",
    "s3_server",
    "storage",
    "time",
    "valkey",
    "vendor",
]
