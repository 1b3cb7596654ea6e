"""A picture that was cut short is refused wherever it was cut, and an odd one that is whole is not."""

from __future__ import annotations

import contextlib
import io
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageFile, PngImagePlugin

from support.pictures.pngs import SIGNATURE, chunk, ihdr, noise
from swapline_producer.client.inputs.images import Picture, read_image
from swapline_producer.client.inputs.picture_formats import MAX_PARTS, BrokenHeader, CutShort, measure
from swapline_producer.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SIZE = (40, 24)


def pixels(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    noisy = Image.frombytes("RGB", size, noise(3 * size[0] * size[1]))
    return noisy.convert("L").convert(mode) if mode in {"1", "I;16"} else noisy.convert(mode)


def saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    pixels(mode).save(out, kind, **options)
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def exif() -> bytes:
    """Metadata with a thumbnail, which is a JPEG with an end of its own."""
    thumbnail = saved("JPEG", quality=20)
    tags = struct.pack(">HHHII", 2, 0x0201, 4, 1, 44) + struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail))
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + struct.pack(">HI", 0, 14) + tags + bytes(4) + thumbnail


def several(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    first, *more = (pixels() for _ in range(3))
    first.save(out, kind, save_all=True, append_images=more, **options)
    return out.getvalue()


def texts() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "IEND" * 10, zip=False)
    info.add_itxt("more", EOI.decode("latin-1"))
    return info


def between_scans(data: bytes, body: bytes) -> bytes:
    """Put a comment between two scans of a progressive JPEG."""
    first_scan = data.index(b"\xff\xda")
    table = data.index(b"\xff\xc4", first_scan)
    return data[:table] + segment(0xFE, body) + data[table:]


PROGRESSIVE = saved("JPEG", progressive=True)
WHOLE = {
    "JPEG": saved("JPEG"),
    "JPEG, best": saved("JPEG", quality=100, subsampling=0),
    "JPEG, optimised": saved("JPEG", optimize=True),
    "JPEG, progressive": PROGRESSIVE,
    "JPEG, progressive, grey": saved("JPEG", "L", progressive=True),
    "JPEG, grey": saved("JPEG", "L"),
    "JPEG, CMYK": saved("JPEG", "CMYK"),
    "JPEG, restart markers by block": saved("JPEG", restart_marker_blocks=1),
    "JPEG, restart markers by row": saved("JPEG", restart_marker_rows=1, progressive=True),
    "JPEG, EXIF with a thumbnail": saved("JPEG", exif=exif()),
    "JPEG, a colour profile in three segments": saved("JPEG", icc_profile=noise(150_000)),
    "JPEG, a comment with an end in it": saved("JPEG", comment=EOI + SOI + EOI),
    "JPEG, an end in a comment between scans": between_scans(PROGRESSIVE, EOI + SOI + EOI),
    "JPEG, fill bytes before its markers": saved("JPEG").replace(b"\xff\xdb", b"\xff\xff\xff\xdb"),
    "JPEG, blanks between segments": saved("JPEG").replace(b"\xff\xdb", b"\0\0\xff\xdb"),
    "PNG": saved("PNG"),
    "PNG, palette": saved("PNG", "P"),
    "PNG, alpha": saved("PNG", "RGBA"),
    "PNG, grey and alpha": saved("PNG", "LA"),
    "PNG, black and white": saved("PNG", "1"),
    "PNG, 16 bits": saved("PNG", "I;16"),
    "PNG, not packed": saved("PNG", compress_level=0),
    "PNG, texts": saved("PNG", pnginfo=texts()),
    "PNG, EXIF and profile": saved("PNG", exif=exif(), icc_profile=noise(5000)),
    "PNG, animated": several("PNG"),
    "PNG, a byte a chunk": SIGNATURE + ihdr() + b"".join(chunk(b"IDAT", b"x") for _ in range(300)) + chunk(b"IEND"),
    "WebP": saved("WEBP"),
    "WebP, lossless": saved("WEBP", lossless=True),
    "WebP, alpha": saved("WEBP", "RGBA"),
    "WebP, EXIF, XMP and profile": saved("WEBP", exif=exif(), xmp=b"<x/>", icc_profile=noise(501)),
    "WebP, animated": several("WEBP"),
}
SMALL = 8000
"""Bytes up to which every length is tried; in a longer one each of the first and last thousand, and every 97th."""


def whole(data: bytes) -> Picture | None:
    """Read a picture; None where it is refused, which must say what is missing."""
    try:
        found = read_image(data)
    except ImageError as error:
        sentence = str(error)
    else:
        assert isinstance(found, Picture)
        return found
    assert "cut short" in sentence or "is empty" in sentence or "not a JPEG, PNG or WebP" in sentence
    return None


def lengths(data: bytes) -> Iterator[int]:
    size = len(data)
    return (n for n in range(size) if size <= SMALL or n < 1000 or n > size - 1000 or n % 97 == 0)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_picture_is_taken_and_none_of_its_beginnings(name: str) -> None:
    data = WHOLE[name]
    found = whole(data)
    assert found is not None
    assert (found.width, found.height) in {SIZE, (8, 8)}
    assert [length for length in lengths(data) if whole(data[:length])] == []


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("after", [b"\0" * 999, b"\xff" * 3, b"\n", SOI + EOI, WHOLE["JPEG"], WHOLE["PNG"][:60]])
def test_bytes_after_the_end_are_ignored(name: str, after: bytes) -> None:
    assert whole(WHOLE[name] + after)


def test_of_several_pictures_in_one_jpeg_the_first_must_be_whole() -> None:
    data = several("MPO")
    end = data.index(EOI, data.index(b"\xff\xda")) + len(EOI)
    assert end < len(data) / 2
    assert [n for n in range(len(data)) if (whole(data[:n]) is not None) != (n >= end)] == []
    assert whole(data[: end - len(EOI)] + data[end:]) is None


def test_the_end_of_a_thumbnail_is_not_the_pictures() -> None:
    data = WHOLE["JPEG, EXIF with a thumbnail"]
    assert whole(data[: data.index(EOI) + 2]) is None
    cut = data[: data.rindex(EOI)]
    assert EOI in cut
    assert whole(cut) is None


@pytest.mark.parametrize("name", [name for name in WHOLE if "byte a chunk" not in name and "profile" not in name])
def test_pillow_reads_what_is_taken_for_whole(name: str) -> None:
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    with Image.open(io.BytesIO(WHOLE[name])) as opened:
        opened.load()
        assert opened.size == SIZE


def test_a_webp_whose_first_chunk_is_longer_than_its_riff_is_refused() -> None:
    data = bytearray(WHOLE["WebP"])
    data[4:8] = struct.pack("<I", 20)
    assert whole(bytes(data)) is None


def test_tables_without_a_picture_are_none() -> None:
    assert whole(WHOLE["JPEG"][: WHOLE["JPEG"].index(b"\xff\xda")] + EOI) is None


def test_parts_without_end_are_not_walked_for_ever() -> None:
    comment, text = segment(0xFE, b""), chunk(b"tEXt")
    jpeg, png = WHOLE["JPEG"], WHOLE["PNG"]
    assert whole(SOI + comment * (MAX_PARTS - 20) + jpeg[2:])
    assert whole(SOI + comment * MAX_PARTS + jpeg[2:]) is None
    assert whole(png[:33] + text * (MAX_PARTS - 20) + png[33:])
    assert whole(png[:33] + text * MAX_PARTS + png[33:]) is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
def test_a_poll_at_225_kilobytes_costs_less_than_a_millisecond(options: dict[str, Any]) -> None:
    out = io.BytesIO()
    pixels(size=(560, 560)).save(out, "JPEG", quality=88, **options)
    assert len(out.getvalue()) > 225_000
    assert seconds(out.getvalue()) < 0.001


def seconds(data: bytes) -> float:
    """Give what the shortest of some walks takes, the hash left out."""
    took = []
    for _ in range(20):
        began = time.perf_counter()
        with contextlib.suppress(BrokenHeader, CutShort):
            measure(data, "image/jpeg")
        took.append(time.perf_counter() - began)
    return min(took)
