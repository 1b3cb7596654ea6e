"""JPEG, PNG and WebP, undecoded: how large, and whether the end is there.

Bytes after it are ignored: padding, further pictures, a film.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PARTS = 100_000
"""Segments or chunks, walked in 40 ms."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""Without FF00, FF01 and restart markers, found in compressed data."""
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_SIZED = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frames, without tables and a reserved one."""


class BrokenHeader(ValueError):  # noqa: N818 -- it names the situation
    """The size cannot be read."""


class CutShort(ValueError):  # noqa: N818 -- it names the situation
    """The end is missing."""


def media_type(data: bytes) -> str | None:
    """Tell the format by its first bytes, or None."""
    return next((kind for kind, (is_one, _) in _FORMATS.items() if is_one(data)), None)


def measure(data: bytes, kind: str) -> tuple[int, int]:
    """Return (width, height) in pixels, before EXIF rotation. Raises BrokenHeader, CutShort."""
    width, height, _ = _FORMATS[kind][1](data)
    return width, height


def end_of(data: bytes, kind: str) -> int:
    """Return the bytes up to the picture's end. Raises BrokenHeader, CutShort."""
    return _FORMATS[kind][1](data)[2]


def _jpeg(data: bytes) -> tuple[int, int, int]:
    """Return width, height and end, by segments (ITU-T T.81, B.1): a thumbnail has an end, too."""
    size = (0, 0)
    scanned = False
    at = 2
    for _ in range(MAX_PARTS):
        found = _JPEG_MARKER.search(data, at)
        if found is None or data[found.end() - 1] == _SOI:  # another picture begins, and this one has not ended
            break
        marker, at = data[found.end() - 1], found.end()
        if marker == _EOI:
            return _sound(size, at, whole=scanned)
        if marker in _SIZED and not any(size):
            height, width = _fields(">HH", data, at + 3)
            size = (width, height)
        scanned = scanned or marker == _SOS
        at += int.from_bytes(data[at : at + 2], "big")
    return _sound(size, at, whole=False)


def _png(data: bytes) -> tuple[int, int, int]:
    """Read IHDR, with its checksum, and step over the chunks to IEND (PNG, 5.3)."""
    head = data[8:33]  # length, name, 13 bytes, checksum
    if head[:8] != b"\0\0\0\rIHDR" or _fields(">I", head, 21) != (zlib.crc32(head[4:21]),):
        raise BrokenHeader
    width, height = _fields(">II", head, 8)
    at = 33
    for _ in range(MAX_PARTS):
        kind = data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")  # 12 for length, name and checksum
        if kind == b"IEND" or at > len(data):
            return _sound((width, height), at, whole=at <= len(data))
    return _sound((width, height), at, whole=False)


def _webp(data: bytes) -> tuple[int, int, int]:
    """Read the size, and compare the length that RIFF states (RFC 9649, 2.4 to 2.7)."""
    chunk, body = data[12:16], data[20:30]
    size = (0, 0)
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = _fields("<HH", body, 6)
        size = (width & 0x3FFF, height & 0x3FFF)  # the upper two bits are a hint for scaling
    elif chunk == b"VP8L" and body[:1] == b"\x2f":
        [bits] = _fields("<I", body, 1)
        size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    elif chunk == b"VP8X":
        size = (int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1)
        _fields("10B", body, 0)
    stated = int.from_bytes(data[4:8], "little")
    needed = 12 + int.from_bytes(data[16:20], "little")  # of RIFF's own count: "WEBP", then the chunk's head and body
    if needed > stated:
        raise BrokenHeader
    return _sound(size, 8 + stated, whole=8 + stated <= len(data))


def _sound(size: tuple[int, int], end: int, *, whole: bool) -> tuple[int, int, int]:
    if min(size) < 1:
        raise BrokenHeader
    if not whole:
        raise CutShort
    return *size, end


def _fields(layout: str, data: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, data, at)
    except struct.error:
        raise BrokenHeader from None


_FORMATS: dict[str, tuple[Callable[[bytes], bool], Callable[[bytes], tuple[int, int, int]]]] = {
    "image/jpeg": (lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    "image/png": (lambda data: data.startswith(_PNG_SIGNATURE), _png),
    "image/webp": (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
}
