from support.servers import prefix, valkey
from support.stores import compose_s3_server, real_s3_server, s3_server

__all__ = ["compose_s3_server", "prefix", "real_s3_server", "s3_server", "valkey"]
