from installation import installation, receiver, vendor
from servers import prefix, valkey

__all__ = ["installation", "prefix", "receiver", "valkey", "vendor"]
