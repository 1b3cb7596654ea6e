"""Connections that begin a request and never end it, as many as one likes."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

USUAL_FILES = ("sh", "-c", 'ulimit -n 1024 && exec "$@"', "sh")
"""Put before a command: it may open as many files as most machines allow."""

MANY = 1100
"""More than those."""


@contextmanager
def half_requests(url: str, number: int = MANY) -> Generator[list[socket.socket]]:
    """Hold connections to a server open, each with half a request sent."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    parts = urlsplit(url)
    with ExitStack() as stack:
        connections = []
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=30))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: there\r\nX-")
            connections.append(connection)
        yield connections


def is_cut(connection: socket.socket) -> bool:
    """Whether the server ends a connection, before the socket's timeout."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
