from support.deadline_sessions import session
from support.servers import prefix, valkey
from support.simulator_caller import caller
from support.stores import compose_s3_server, real_s3_server, s3_server

__all__ = ["caller", "compose_s3_server", "prefix", "real_s3_server", "s3_server", "session", "valkey"]
