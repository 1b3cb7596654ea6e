"""uvicorn as the gateway runs it: bounded, and ended in a way that loses no answer."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from fastapi import FastAPI

    from swapline_gateway.service import Service

MOST_CONNECTIONS = 5000
"""At once, most of them listeners to events; `ulimit -n` must be larger."""

SILENT_S = 20.0
"""Seconds from a connection's start, or from an answer, until the next request's head must be whole."""

STOP_WITHIN_S = 15
"""Seconds that open requests may take when the gateway is to stop; uploads of 7 MB take less."""


class BoundedProtocol(HttpToolsProtocol):
    """Ends connections that have no request under way: after a time, and the oldest where there are too many."""

    idle_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Make room, and begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > MOST_CONNECTIONS:
            idle = [one for one in self.connections if isinstance(one, BoundedProtocol) and one.idle]
            oldest = min(idle, key=lambda one: one.idle_since)  # this one is idle itself
            oldest.transport.abort()
            self.connections.discard(oldest)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.idle_since = self.loop.time()
        self._timer = self.loop.call_later(SILENT_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self.idle:
            self.transport.abort()  # `close` would wait until the peer has read everything


class Server(uvicorn.Server):
    """Tells those who wait for a job that the process is to end, before it waits for them."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        """Keep both."""
        super().__init__(config)
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn; called in a signal's handler."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._service.stopping.set)


def build_server(app: FastAPI, service: Service) -> Server:
    """Build what serves until SIGTERM or Ctrl-C. Proxies that FORWARDED_ALLOW_IPS names are believed, and no others."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses of the jobs of tenants
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        http=BoundedProtocol,
        ws="none",
        proxy_headers=bool(os.environ.get("FORWARDED_ALLOW_IPS")),  # by itself uvicorn believes whoever is on this host
        lifespan="off",  # nothing is opened before the first request
    )
    return Server(config, service)
