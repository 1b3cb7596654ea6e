from support.browser import chromium
from support.factories import photograph
from support.installation import installation, new_processes, receiver, vendor
from support.servers import prefix, valkey

__all__ = ["chromium", "installation", "new_processes", "photograph", "prefix", "receiver", "valkey", "vendor"]
