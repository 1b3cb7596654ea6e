"""Send a reply: whole, slowly, cut in the middle, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_simulator.api.replies import Reply

DRIP_PIECES = 40
"""Few enough that the time between two can exceed a reader's timeout."""


INTERIM = (
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n",
)
"""Interim replies, which servers and proxies may send before a reply (RFC 9110, 15.2)."""

PACKET_INTERVAL_S = 0.005
"""Seconds between two packets, so that the client reads them separately."""


async def send_after_interim(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send two interim replies in separate packets, then the whole reply."""
    for interim in INTERIM:
        if request.transport is not None:
            request.transport.write(interim)
        await asyncio.sleep(PACKET_INTERVAL_S)
    return await send(request, reply)


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send a whole reply."""
    response = await _start(request, reply)
    for piece in reply.pieces:
        await response.write(piece)
    await response.write_eof()
    return response


async def drip(request: web.Request, reply: Reply, seconds: float) -> web.StreamResponse:
    """Send a whole reply in small pieces over a time."""
    response = await _start(request, reply)
    for piece in _slices(b"".join(reply.pieces), DRIP_PIECES):
        await response.write(piece)
        await asyncio.sleep(seconds / DRIP_PIECES)
    await response.write_eof()
    return response


async def cut(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send the headers and half of the body, and close the connection."""
    response = await _start(request, reply)
    body = b"".join(reply.pieces)
    await response.write(body[: len(body) // 2])
    return close(request, response)


def close(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Close the connection; without a started response, the caller receives nothing."""
    if request.transport is not None:
        request.transport.close()
    return response or web.Response()


async def _start(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = reply.media_type
    if reply.length is not None:
        response.content_length = reply.length
    await response.prepare(request)
    return response


def _slices(body: bytes, count: int) -> Iterator[bytes]:
    size = max(1, -(-len(body) // count))
    for start in range(0, len(body), size):
        yield body[start : start + size]
