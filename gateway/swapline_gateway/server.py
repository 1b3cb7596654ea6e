"""uvicorn as the gateway runs it: bounded, and ended in a way that loses no answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from swapline_producer.serving.command import names_a_proxy
from swapline_producer.serving.connections import BoundedConnections

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


class BoundedProtocol(BoundedConnections, HttpToolsProtocol):
    """Ends connections that have no request under way."""

    most = MOST_CONNECTIONS
    silent_for = SILENT_S


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
        proxy_headers=names_a_proxy(),
        lifespan="off",  # nothing is opened before the first request
    )
    return Server(config, service)
