from servers import prefix, valkey
from stores import real_s3_server, s3_server

__all__ = ["prefix", "real_s3_server", "s3_server", "valkey"]
