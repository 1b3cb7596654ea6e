from servers import prefix, valkey

__all__ = ["prefix", "valkey"]
