"""The vendor as an HTTP server: routes, start and stop."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from swapline_simulator.account.vendor import SimulatedVendor
from swapline_simulator.api.auth import OTHERS, VENDOR
from swapline_simulator.api.control import change, show_page, show_report
from swapline_simulator.api.sending import close
from swapline_simulator.api.status import status
from swapline_simulator.api.submit import run
from swapline_simulator.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from swapline_simulator.config import SimulatorConfig

MAX_BODY_BYTES = 12 * 2**20
"""Bytes of a request: the vendor's 10 MB, and 2 MiB for the JSON around them. Above it: 413."""
SHUTDOWN_TIMEOUT_S = 0.2
"""Seconds for open calls when the server stops: long polls would delay the end."""


def build_app(config: SimulatorConfig) -> web.Application:
    """Return the vendor as an aiohttp application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_ignore_disconnects])
    app[VENDOR] = SimulatedVendor(config)
    app[OTHERS] = {name: SimulatedVendor(config.of_account(name)) for name in config.accounts}
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
    """Serve while the context is open; yield the URL. Port 0: a free one. Raises SimulatorError if it cannot listen."""
    runner = web.AppRunner(build_app(config), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
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
async def _ignore_disconnects(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ignore a caller that disconnects in the middle of a call: tests do so."""
    try:
        return await handler(request)
    except ConnectionError:
        return close(request)


def _reason(error: OSError) -> str:
    """Return the system's message, because asyncio's repeats the address; an unresolved name has none."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _closed(app: web.Application) -> None:
    for vendor in (app[VENDOR], *app[OTHERS].values()):
        vendor.close()
