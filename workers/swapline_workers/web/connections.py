"""uvicorn's HTTP protocol with the board's bounds on connections."""

from __future__ import annotations

from uvicorn.protocols.http.h11_impl import H11Protocol

from swapline_producer.serving.connections import BoundedConnections


class BoundedProtocol(BoundedConnections, H11Protocol):
    """Ends connections that have no request under way."""

    most = 400  # a process has usually 1,024 files, and Redis and the store need some
    silent_for = 10.0
