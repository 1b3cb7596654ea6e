"""Free ports on loopback, for servers that cannot choose one."""

from __future__ import annotations

import secrets
import socket

LOOPBACK = "127.0.0.1"
_FIRST, _COUNT = 20_000, 12_000
"""Below outgoing connections on Linux and macOS: a client of a restarting server could be connected to itself."""
_MAX_TRIES = 200
"""Enough unless thousands of ports are taken."""


def free_port() -> int:
    """Return a port on which no program listens now, perhaps later. Raises OSError."""
    for _ in range(_MAX_TRIES):
        port = _FIRST + secrets.randbelow(_COUNT)
        if is_free(port):
            return port
    raise OSError(f"no free port found between {_FIRST} and {_FIRST + _COUNT} on {LOOPBACK}")


def is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on this port; on 0 always."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, so that TIME_WAIT does not count
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
