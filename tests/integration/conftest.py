from support.gateways import gateway, gateway_settings
from support.installation import installation, receiver, vendor
from support.servers import ledger, prefix, time, valkey
from support.stores import real_s3_server, s3_server, storage

__all__ = [
    "gateway",
    "gateway_settings",
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
