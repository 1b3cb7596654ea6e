from support.programs.installation import both_ways, every_way, installation, receiver, vendor
from support.redis.fixtures import ledger, prefix, time, valkey
from support.stores.fixtures import real_s3_server, s3_server, storage

__all__ = [
    "both_ways",
    "every_way",
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
