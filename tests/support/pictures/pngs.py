"""PNGs of every kind for tests, made chunk by chunk."""

from __future__ import annotations

import random
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """Return one chunk with its right CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int = 8, height: int = 8, depth: int = 8, colour: int = 2, *methods: int) -> bytes:
    """Return an IHDR chunk; `methods` are compression, filter and interlace."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *(methods or (0, 0, 0))))


def noise(count: int, seed: int = 1) -> bytes:
    """Return bytes that do not compress, the same in every run."""
    return random.Random(seed).randbytes(count)  # noqa: S311 -- it must be reproducible, not secret


def rows(width: int = 8, height: int = 8, *, seed: int = 1) -> bytes:
    """Return RGB rows of noise, a filter byte before each: they do not compress."""
    return b"".join(b"\0" + noise(3 * width, seed * height + y) for y in range(height))


def png(width: int = 8, height: int = 8, *, seed: int = 1, idats: int = 1) -> bytes:
    """Return a whole RGB PNG of noise, its pixel data in `idats` chunks."""
    pixels = zlib.compress(rows(width, height, seed=seed), 1)
    size = -(-len(pixels) // idats)
    data = [chunk(b"IDAT", pixels[at : at + size]) for at in range(0, len(pixels), size)]
    return b"".join([SIGNATURE, ihdr(width, height), *data, chunk(b"IEND")])


def grey_png(width: int = 1200, height: int = 1800) -> bytes:
    """Return a whole grey PNG, which compresses to some kilobytes."""
    pixels = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"".join([SIGNATURE, ihdr(width, height, 8, 0), chunk(b"IDAT", pixels), chunk(b"IEND")])
