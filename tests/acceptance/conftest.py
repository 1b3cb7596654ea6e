from support.browser import chromium
from support.installation import installation, receiver, vendor
from support.servers import prefix, valkey

__all__ = ["chromium", "installation", "prefix", "receiver", "valkey", "vendor"]
