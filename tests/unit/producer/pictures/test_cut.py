"""What is read from bytes alone, and cut from them: places go, pixels stay, and most pictures keep every byte."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from support.pictures.photographs import XMP_WITH_PLACE, exif, picture, saved
from support.pictures.pngs import chunk, png
from swapline_producer.client.inputs.picture_formats import measure
from swapline_producer.contract import Done, StripMetadata
from swapline_producer.pictures.exif import Exif, read_exif
from swapline_producer.pictures.kinds import source_kind
from swapline_producer.pictures.needs import Needs, cut, needs_of

if TYPE_CHECKING:
    from collections.abc import Callable

GPS, ALL, OFF = StripMetadata.GPS, StripMetadata.ALL, StripMetadata.OFF
PLACE = exif(gps=True)


def _mpo() -> bytes:
    return saved("MPO", save_all=True, append_images=[picture("RGB", (8, 8))])


def _png_with_text(*names: str) -> bytes:
    info = PngInfo()
    for name in names:
        info.add_text(name, "words")
    return saved("PNG", pnginfo=info)


def _webp_with(exif_data: Image.Exif) -> bytes:
    return saved("WEBP", exif=exif_data, xmp=b"<x/>")


FIT: dict[str, Callable[[], bytes]] = {
    "a JPEG": lambda: saved("JPEG"),
    "a JPEG with a camera's name": lambda: saved("JPEG", exif=exif()),
    "a JPEG with a comment": lambda: saved("JPEG", comment="hello"),
    "a progressive JPEG": lambda: saved("JPEG", progressive=True),
    "a grey JPEG": lambda: saved("JPEG", picture("L")),
    "a JPEG and padding": lambda: saved("JPEG") + bytes(100),
    "a PNG": png,
    "a PNG with text": lambda: _png_with_text("parameters"),
    "a WebP": lambda: saved("WEBP"),
    "a WebP with EXIF": lambda: _webp_with(exif()),
}


@pytest.mark.parametrize("name", FIT)
def test_a_picture_that_needs_nothing_needs_nothing(name: str) -> None:
    data = FIT[name]()
    assert needs_of(data, str(source_kind(data)), GPS) == Needs()


PLACES: dict[str, Callable[[], bytes]] = {
    "EXIF in a JPEG": lambda: saved("JPEG", exif=PLACE),
    "XMP in a JPEG": lambda: saved("JPEG", xmp=XMP_WITH_PLACE),
    "both in a JPEG": lambda: saved("JPEG", exif=PLACE, xmp=XMP_WITH_PLACE, comment="stays"),
    "EXIF in a PNG": lambda: saved("PNG", exif=PLACE),
    "packed EXIF in a PNG": lambda: _png_with_text("Raw profile type exif"),
    "EXIF in a WebP": lambda: _webp_with(PLACE),
    "XMP in a WebP": lambda: saved("WEBP", xmp=XMP_WITH_PLACE),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_cut_out_and_no_pixel_changes(name: str) -> None:
    data = PLACES[name]()
    kind = str(source_kind(data))
    assert needs_of(data, kind, GPS) == Needs(cut=(Done.PLACE_REMOVED,))
    clean = cut(data, kind, GPS)
    assert needs_of(clean, kind, GPS) == Needs()
    assert b"GPSLatitude" not in clean
    assert measure(clean, kind) == measure(data, kind)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(clean)) as after:
        assert after.tobytes() == before.tobytes()
        assert "exif" not in after.info
    assert needs_of(data, kind, OFF) == Needs()


def test_damaged_exif_is_cut_out_since_it_may_tell_the_place() -> None:
    damaged = saved("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert needs_of(damaged, "image/jpeg", GPS) == Needs(cut=(Done.PLACE_REMOVED,))
    assert cut(damaged, "image/jpeg", GPS) == saved("JPEG")


def test_what_does_not_tell_the_place_stays_unless_all_is_asked_for() -> None:
    data = saved("JPEG", exif=PLACE, comment="a comment", icc_profile=b"profile" * 30)
    clean = cut(data, "image/jpeg", GPS)
    assert b"a comment" in clean
    assert b"profile" in clean
    bare = cut(data, "image/jpeg", ALL)
    assert needs_of(data, "image/jpeg", ALL).cut == (Done.PLACE_REMOVED, Done.METADATA_REMOVED)
    assert b"a comment" not in bare
    assert b"profile" in bare
    assert bare.startswith(b"\xff\xd8\xff\xe0")  # JFIF stays


@pytest.mark.parametrize("data", [_png_with_text("prompt", "workflow"), _webp_with(exif())], ids=["PNG", "WebP"])
def test_all_metadata_can_be_left_out(data: bytes) -> None:
    kind = str(source_kind(data))
    bare = cut(data, kind, ALL)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(bare)) as after:
        assert after.tobytes() == before.tobytes()
        assert not {"prompt", "workflow", "exif", "xmp"} & after.info.keys()


def test_further_pictures_go_with_their_index() -> None:
    data = _mpo()
    assert needs_of(data, "image/jpeg", GPS).cut == (Done.METADATA_REMOVED, Done.END_REMOVED)
    first = cut(data, "image/jpeg", GPS)
    assert first.endswith(b"\xff\xd9")
    assert first.count(b"\xff\xd8\xff") == 1
    with Image.open(io.BytesIO(first)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (96, 64))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_film_behind_a_picture_goes(kind: str) -> None:
    data = saved(kind)
    media_type = str(source_kind(data))
    film = data + b"\0\0\0\x18ftypmp42" + bytes(50)
    assert needs_of(film, media_type, GPS).cut == (Done.END_REMOVED,)
    assert cut(film, media_type, GPS) == data


DECODED: dict[str, tuple[Callable[[], bytes], Done]] = {
    "a JPEG on its side": (lambda: saved("JPEG", exif=exif(orientation=6)), Done.UPRIGHT),
    "a PNG on its head": (lambda: saved("PNG", exif=exif(orientation=3)), Done.UPRIGHT),
    "a WebP on its side": (lambda: _webp_with(exif(orientation=8)), Done.UPRIGHT),
    "CMYK": (lambda: saved("JPEG", picture("CMYK")), Done.SRGB),
    "16 bits": (lambda: saved("PNG", Image.new("I;16", (8, 8))), Done.DEPTH),
    "a film of WebPs": (lambda: saved("WEBP", save_all=True, append_images=[picture("L")]), Done.CONVERTED),
    "a TIFF": (lambda: saved("TIFF"), Done.CONVERTED),
    "an AVIF": (lambda: saved("AVIF"), Done.CONVERTED),
    "12 bits": (lambda: saved("JPEG").replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"), Done.COMPRESSED),
    "lossless JPEG": (lambda: saved("JPEG").replace(b"\xff\xc0", b"\xff\xc3"), Done.COMPRESSED),
}


@pytest.mark.parametrize("name", DECODED)
def test_what_takes_new_pixels_is_reported_without_decoding(name: str) -> None:
    make, done = DECODED[name]
    data = make()
    assert needs_of(data, str(source_kind(data)), OFF).decoded == (done,)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_exif_is_read_in_both_byte_orders(order: str, orientation: int) -> None:
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    data = head + struct.pack(f"{order}IH", 8, 1) + entry
    assert read_exif(data) == Exif(orientation if 1 <= orientation <= 8 else 1)


@pytest.mark.parametrize("data", [b"", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff", b"JPEG", b"II*\0\x08\0\0\0\x05\0"])
def test_damaged_exif_may_tell_a_place(data: bytes) -> None:
    assert read_exif(data) == Exif(has_gps=True)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", "image/heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heixMiHE", "image/heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "image/avif"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", None),
        (b"\0\0\0\x10ftypmif1\0\0\0\0heic", None),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_formats_are_recognised_by_their_first_bytes(data: bytes, kind: str | None) -> None:
    assert source_kind(data) == kind


def test_an_ancillary_chunk_that_is_unknown_stays() -> None:
    data = png()
    own = data[:33] + chunk(b"prVt", b"x") + data[33:]
    assert cut(own, "image/png", ALL) == own
