from support.jobs.factories import photograph
from support.programs.installation import installation, new_processes, receiver, vendor
from support.redis.fixtures import prefix, valkey
from support.services.browser import chromium

__all__ = ["chromium", "installation", "new_processes", "photograph", "prefix", "receiver", "valkey", "vendor"]
