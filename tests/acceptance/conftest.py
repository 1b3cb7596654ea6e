from support.browser import chromium
from support.factories import photograph
from support.installation import installation, receiver, vendor
from support.servers import prefix, valkey

__all__ = ["chromium", "installation", "photograph", "prefix", "receiver", "valkey", "vendor"]
