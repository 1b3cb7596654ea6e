"""Replies as they come: odd ones, the body of a status, Retry-After."""
