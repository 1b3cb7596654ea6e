"""The vendor as an HTTP server: its routes, and how it begins and stops to listen."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from swapline_simulator.account.vendor import SimulatedVendor
from swapline_simulator.api.auth import VENDOR
from swapline_simulator.api.control import change, show_page, show_report
from swapline_simulator.api.sending import close
from swapline_simulator.api.status import status
from swapline_simulator.api.submit import run
from swapline_simulator.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from swapline_simulator.config import SimulatorConfig

BODY_LIMIT = 12 * 2**20
"""Bytes of a request: the 10 MB that the vendor's host takes, and room for the JSON around them. Above it: 413."""
PARTING_SECONDS = 0.2
"""For calls that are under way when the server stops. Held calls would keep it for as long as they are held."""


def build_app(config: SimulatorConfig) -> web.Application:
    """Give the whole vendor as an aiohttp application."""
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_let_go])
    app[VENDOR] = SimulatedVendor(config)
    app.add_routes(
        [
            web.post("/{version:v5|v6}/run/face_swap", run),
            web.post("/{version:v5|v6}/status/{job_id}", status),
            web.get("/_control", show_report),
            web.post("/_control", change),
            web.get("/_control/page", show_page),
        ]
    )
    app.on_cleanup.append(_closed)
    return app


@asynccontextmanager
async def listening(config: SimulatorConfig, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the context is open; gives the URL. Port 0 takes a free one.

    Raises SimulatorError when the address cannot be listened on.
    """
    runner = web.AppRunner(build_app(config), access_log=None, shutdown_timeout=PARTING_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SimulatorError(f"Cannot listen on {host}:{port}: {_reason(error)}.") from error
        yield f"http://{_in_url(host)}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@web.middleware
async def _let_go(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take it as nothing special when a caller hangs up in the middle: those who test for that do it all the time."""
    try:
        return await handler(request)
    except ConnectionError:
        return close(request)


def _reason(error: OSError) -> str:
    """Give the system's own words: asyncio's repeat the address. Names that do not resolve have no system's words."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _closed(app: web.Application) -> None:
    app[VENDOR].close()
