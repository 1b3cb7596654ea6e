from support.http.deadline_sessions import session
from support.redis.fixtures import prefix, valkey
from support.stores.fixtures import compose_s3_server, real_s3_server, s3_server
from support.vendor.simulator_caller import caller

__all__ = ["caller", "compose_s3_server", "prefix", "real_s3_server", "s3_server", "session", "valkey"]
