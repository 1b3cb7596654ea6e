"""The picture of a submission: decoded, checked to be one, and known by the SHA-256 of its bytes."""

from __future__ import annotations

import asyncio
from binascii import a2b_base64
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import aiohttp
from PIL import Image

from swapline_simulator.api.orders import Refusal
from swapline_simulator.imaging.pictures import opened
from swapline_simulator.imaging.portrait import portrait_of

FETCH_SECONDS = 10
"""For a picture on this machine: far more than it takes."""
FETCH_LIMIT = 10 * 2**20
"""Bytes of a fetched picture: as much as the vendor's host takes in a body."""


@dataclass(eq=False, frozen=True)
class Photograph:
    """A picture that was accepted. `sha256` is of its bytes; of a URL's text where the picture was not fetched."""

    data: bytes = field(repr=False)
    sha256: str
    url: str | None = None


class Intake:
    """Takes pictures in. A picture that is in use is checked once, however often it is sent."""

    def __init__(self) -> None:
        """Begin with no picture."""
        self._in_use: WeakValueDictionary[str, Photograph] = WeakValueDictionary()

    async def take(self, text: str) -> Photograph:
        """Give the picture behind `base64`: the text itself, or a URL.

        Raises Refusal: INVALID_IMAGE.
        """
        if text.startswith(("http://", "https://")):
            return await self._linked(text)
        return await asyncio.to_thread(self._decoded, text)

    async def _linked(self, url: str) -> Photograph:
        host = _host(url)
        if _is_this_machine(host):
            return await asyncio.to_thread(self._checked, await _fetched(url), url)
        if not host or host.endswith(".invalid"):  # the one ending that is promised never to exist (RFC 2606)
            raise _invalid(f"The picture at {url[:200]} could not be fetched.")
        digest = sha256(url.encode()).hexdigest()
        if (known := self._in_use.get(digest)) is not None:
            return known
        return self._kept(Photograph(await asyncio.to_thread(portrait_of, url), digest, url))

    def _decoded(self, text: str) -> Photograph:
        try:
            data = a2b_base64(text, strict_mode=True)
        except ValueError as error:
            raise _invalid(f"base64 cannot be decoded: {error}.") from None
        return self._checked(data, None)

    def _checked(self, data: bytes, url: str | None) -> Photograph:
        digest = sha256(data).hexdigest()
        if (known := self._in_use.get(digest)) is not None and known.url == url:
            return known
        try:
            opened(data)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _invalid("The input is not a picture, or not a whole one.") from None
        return self._kept(Photograph(data, digest, url))

    def _kept(self, photograph: Photograph) -> Photograph:
        self._in_use[photograph.sha256] = photograph
        return photograph


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _fetched(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as reply:
            data = await _at_most(FETCH_LIMIT, reply.content)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _invalid(f"The picture at {url[:200]} could not be fetched: {error}.") from None
    if reply.status != HTTPStatus.OK or data is None:
        raise _invalid(f"{url[:200]} answered {reply.status}, or with more than {FETCH_LIMIT} bytes.")
    return data


async def _at_most(limit: int, content: aiohttp.StreamReader) -> bytes | None:
    data = bytearray()
    async for piece in content.iter_any():
        data += piece
        if len(data) > limit:
            return None
    return bytes(data)


def _invalid(sentence: str) -> Refusal:
    return Refusal(400, "INVALID_IMAGE", sentence)
