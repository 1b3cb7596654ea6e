"""A free port on loopback for a server that cannot choose one itself."""

from __future__ import annotations

import secrets
import socket

LOOPBACK = "127.0.0.1"
_FIRST, _COUNT = 20_000, 12_000
"""Below the ports from which Linux (32768 up) and macOS (49152 up) make outgoing connections. A port of those can be
taken by any client at any moment, even by one that keeps calling a server which is being restarted there: the kernel
then connects that client to itself, and the server cannot have its port back."""
_TRIES = 200
"""More than enough: each finds a taken port only where thousands are taken."""


def free_port() -> int:
    """Give a port that nobody listens on now. Somebody may still be faster: whoever uses it must be ready to ask again.

    Raises OSError when no port is free.
    """
    for _ in range(_TRIES):
        port = _FIRST + secrets.randbelow(_COUNT)
        if is_free(port):
            return port
    raise OSError(f"no free port found between {_FIRST} and {_FIRST + _COUNT} on {LOOPBACK}")


def is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on this port now. Port 0 is always free."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, so that TIME_WAIT does not count
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
