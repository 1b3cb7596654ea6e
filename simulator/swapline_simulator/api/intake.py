"""Decode and check the picture of a submission, identified by the SHA-256 of its bytes."""

from __future__ import annotations

import asyncio
from binascii import a2b_base64
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import aiohttp
from PIL import Image

from swapline_simulator.api.orders import Refusal
from swapline_simulator.imaging.drawing.photographs import portrait_of
from swapline_simulator.imaging.drawing.portrait import SIDE
from swapline_simulator.imaging.faces import drawn_eyes
from swapline_simulator.imaging.pictures import open_picture

if TYPE_CHECKING:
    from swapline_simulator.imaging.spool import Blob, InMemory, Spool
    from swapline_simulator.imaging.swap import Eyes

FETCH_TIMEOUT_S = 10
"""Seconds for a picture on this machine."""
MAX_FETCH_BYTES = 10 * 2**20
"""Bytes of a fetched picture: the vendor's limit for a body."""


@dataclass(eq=False, frozen=True)
class Photograph:
    """An accepted picture. `sha256` is of its bytes, or of the URL if it was not fetched."""

    picture: Blob | InMemory = field(repr=False)
    sha256: str
    url: str | None = None
    eyes: Eyes | None = None
    """Where they are known: of a drawn face."""

    @property
    def data(self) -> bytes:
        """The picture's bytes."""
        return self.picture.read()


def digest_of(text: str) -> str:
    """Return the SHA-256 of a picture as `base64` has it: of its bytes, or of its URL."""
    try:
        return sha256(a2b_base64(text, strict_mode=True)).hexdigest()
    except ValueError:
        return sha256(text.encode()).hexdigest()


class Intake:
    """Receives pictures. One that is in use is checked once, however often it is sent."""

    def __init__(self, spool: Spool) -> None:
        """Start without pictures. A spool keeps their bytes."""
        self._spool = spool
        self._in_use: WeakValueDictionary[str, Photograph] = WeakValueDictionary()

    async def receive(self, text: str) -> Photograph:
        """Return the picture of `base64`: base64, or a URL. Raises Refusal (INVALID_IMAGE)."""
        if text.startswith(("http://", "https://")):
            return await self._from_url(text)
        return await asyncio.to_thread(self._from_base64, text)

    async def _from_url(self, url: str) -> Photograph:
        host = _host(url)
        if _is_this_machine(host):
            return await asyncio.to_thread(self._check, await _fetch(url), url)
        if not host or host.endswith(".invalid"):  # never exists (RFC 2606)
            raise _invalid(f"The picture at {url[:200]} could not be fetched.")
        digest = sha256(url.encode()).hexdigest()
        if (known := self._in_use.get(digest)) is not None:
            return known
        return self._remember(await asyncio.to_thread(portrait_of, url), digest, url, drawn_eyes(SIDE))

    def _from_base64(self, text: str) -> Photograph:
        try:
            data = a2b_base64(text, strict_mode=True)
        except ValueError as error:
            raise _invalid(f"base64 cannot be decoded: {error}.") from None
        return self._check(data, None)

    def _check(self, data: bytes, url: str | None) -> Photograph:
        digest = sha256(data).hexdigest()
        if (known := self._in_use.get(digest)) is not None and known.url == url:
            return known
        try:
            open_picture(data)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _invalid("The input is not a picture, or not a whole one.") from None
        return self._remember(data, digest, url)

    def _remember(self, data: bytes, digest: str, url: str | None, eyes: Eyes | None = None) -> Photograph:
        photograph = Photograph(self._spool.put(data), digest, url, eyes)
        self._in_use[digest] = photograph
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


async def _fetch(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as reply:
            data = await _read_limited(MAX_FETCH_BYTES, reply.content)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _invalid(f"The picture at {url[:200]} could not be fetched: {error}.") from None
    if reply.status != HTTPStatus.OK or data is None:
        raise _invalid(f"{url[:200]} answered {reply.status}, or with more than {MAX_FETCH_BYTES} bytes.")
    return data


async def _read_limited(limit: int, content: aiohttp.StreamReader) -> bytes | None:
    data = bytearray()
    async for piece in content.iter_any():
        data += piece
        if len(data) > limit:
            return None
    return bytes(data)


def _invalid(sentence: str) -> Refusal:
    return Refusal(400, "INVALID_IMAGE", sentence)
