from browser import chromium
from installation import installation, receiver, vendor
from servers import prefix, valkey

__all__ = ["chromium", "installation", "prefix", "receiver", "valkey", "vendor"]
