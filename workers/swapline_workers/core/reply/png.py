"""Whether bytes are one whole PNG, undecoded. Source: the PNG specification, third edition."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from zlib_ng.zlib_ng import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 50_000_000
"""Twenty times the size that the vendor promises."""
MAX_CHUNKS = 65_536
"""64 MiB in libpng's chunks of 8 KiB are 8192."""
INPUT_BLOCK = 16_384
"""Bytes: zlib copies the rest."""
OUTPUT_BLOCK = 65_536
"""Bytes: bounds a bomb's memory."""

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Legal bit depths of each colour type (table 11.1)."""
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel of each colour type."""
_PALETTE = 3
_MAX_PALETTE = 3 * 256
_LAST_FILTER = 4
"""Viewers stop at a row with another filter (table 9.1)."""
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column, first row, column step, row step."""
_OVERHEAD = 12
"""Bytes of length, type and CRC."""
_SIZE_ENDS = 24
"""Bytes up to the height in IHDR."""


class PngError(ValueError):
    """The bytes are not one whole PNG."""


class PngInfo(NamedTuple):
    """Size in pixels."""

    width: int
    height: int


class _Header(NamedTuple):
    """IHDR."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlace: int


def size_of(data: bytes | memoryview) -> PngInfo:
    """Return a walked picture's size. Raises PngError."""
    if len(data) < _SIZE_ENDS:
        raise PngError("it is shorter than the header of a PNG")
    return PngInfo(*struct.unpack_from(">II", data, _SIZE_ENDS - 8))


def walk(data: bytes | memoryview, *, inflate: bool = True) -> PngInfo:
    """Check that `data` is one whole PNG and nothing else; return its size. Raises PngError.

    Signature, a legal IHDR, every CRC, a palette where needed, IDATs in one row, IEND last. With `inflate`, also the
    number of rows and their filters.
    """
    view = memoryview(data)
    if view[: len(SIGNATURE)] != SIGNATURE:
        raise PngError(f"it does not begin like a PNG but with {bytes(view[:8])!r}")
    chunks = list(_chunks(view))
    kinds = [kind for kind, _ in chunks]
    header = _header(*chunks[0])
    _check_order(kinds, header)
    for length in (len(body) for kind, body in chunks if kind == b"PLTE"):
        if length % 3 or not 0 < length <= _MAX_PALETTE:
            raise PngError(f"its palette has {length} bytes, which is no number of colours")
    pixels = [body for kind, body in chunks if kind == b"IDAT"]
    if not any(map(len, pixels)):
        raise PngError("it has no pixel data: IDAT is missing or empty")
    if inflate:
        _check_rows(pixels, list(_passes(header)))
    return PngInfo(header.width, header.height)


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and content of each chunk up to IEND. Raises PngError."""
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if len(view) - at < _OVERHEAD:
            raise PngError(f"it is cut short: {len(view)} bytes, and no IEND")
        (length,) = struct.unpack_from(">I", view, at)
        end = at + _OVERHEAD + length
        kind = bytes(view[at + 4 : at + 8])
        if end > len(view):
            raise PngError(f"it is cut short: chunk {kind!r} at byte {at} should end at {end} of {len(view)}")
        if not kind.isalpha():
            raise PngError(f"what stands at byte {at} is not a chunk")
        if crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise PngError(f"the CRC of chunk {kind!r} at byte {at} is wrong")
        yield kind, view[at + 8 : end - 4]
        if kind == b"IEND":
            if end != len(view) or length:
                raise PngError(f"{len(view) - end + length} bytes follow the end of the picture")
            return
        at = end
    raise PngError(f"it has more than {MAX_CHUNKS} chunks")


def _header(kind: bytes, body: memoryview) -> _Header:
    if kind != b"IHDR" or len(body) != struct.calcsize(">IIBBBBB"):
        raise PngError(f"it begins with chunk {kind!r} of {len(body)} bytes, where IHDR must be")
    header = _Header(*struct.unpack(">IIBBBBB", body))
    if not (0 < header.width < 1 << 31 and 0 < header.height < 1 << 31):
        raise PngError(f"a size of {header.width}x{header.height} is not legal")
    if header.width * header.height > MAX_PIXELS:
        raise PngError(f"{header.width}x{header.height} is more than {MAX_PIXELS // 1_000_000} megapixels")
    if header.depth not in _DEPTHS.get(header.colour, ()):
        raise PngError(f"colour type {header.colour} with bit depth {header.depth} is not legal")
    if header.compression or header.filtering or header.interlace > 1:
        raise PngError("its compression, filter or interlace method is not legal")
    return header


def _check_order(kinds: list[bytes], header: _Header) -> None:
    if kinds.count(b"IHDR") > 1:
        raise PngError("it has more than one IHDR")
    strange = {kind for kind in kinds if kind[:1].isupper()} - {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    if strange:
        raise PngError(f"it has critical chunks that PNG does not know: {sorted(strange)}")
    before, _, rest = (list(part) for part in _split(kinds))
    if b"IDAT" in rest:
        raise PngError("its IDAT chunks are not in one row")
    if kinds.count(b"PLTE") > 1 or (header.colour == _PALETTE and b"PLTE" not in before):
        raise PngError("its palette is missing, late or double")


def _split(kinds: list[bytes]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    first = kinds.index(b"IDAT") if b"IDAT" in kinds else len(kinds)
    last = first
    while kinds[last : last + 1] == [b"IDAT"]:
        last += 1
    return kinds[:first], kinds[first:last], kinds[last:]


def _passes(header: _Header) -> Iterator[tuple[int, int, int]]:
    """Yield each pass's first and last inflated byte, and a row's bytes."""
    bits = header.depth * _SAMPLES[header.colour]
    at = 0
    for left, top, across, down in _PASSES if header.interlace else ((0, 0, 1, 1),):
        width = -(-(header.width - left) // across)
        height = -(-(header.height - top) // down)
        if width > 0 and height > 0:
            row = 1 + (width * bits + 7) // 8  # specification, 7.2
            yield at, at + height * row, row
            at += height * row


def _check_rows(pixels: Iterable[memoryview], passes: list[tuple[int, int, int]]) -> None:
    """Inflate the pixels; check their length and the rows' filters. Raises PngError."""
    promised = passes[-1][1]
    inflater = zlib.decompressobj()
    length = 0
    try:
        for block in _blocks(pixels):
            left: bytes | memoryview = block
            while len(left) and not inflater.eof and length <= promised:
                inflated = inflater.decompress(left, OUTPUT_BLOCK)
                _check_filters(inflated, length, passes)
                length += len(inflated)
                left = inflater.unconsumed_tail
    except zlib.error as error:
        raise PngError(f"its pixel data are damaged after {length} of {promised} bytes") from error
    if length != promised or not inflater.eof:
        raise PngError(f"its pixel data are {'at least ' * (length > promised)}{length} bytes, not {promised}")


def _check_filters(block: bytes, at: int, passes: list[tuple[int, int, int]]) -> None:
    """Check the filters of rows in a block at byte `at` of the inflated data."""
    for start, end, row in passes:
        first = start + -(-max(at - start, 0) // row) * row
        filters = block[first - at : max(end - at, 0) : row]
        if filters and max(filters) > _LAST_FILTER:
            raise PngError(f"a row names filter {max(filters)}, and there are none above {_LAST_FILTER}")


def _blocks(pixels: Iterable[memoryview]) -> Iterator[memoryview]:
    for body in pixels:
        for at in range(0, len(body), INPUT_BLOCK):
            yield body[at : at + INPUT_BLOCK]
