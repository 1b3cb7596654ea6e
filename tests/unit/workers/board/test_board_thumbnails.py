from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from support.jobs.factories import PHOTOGRAPH
from support.pictures.photographs import XMP_ON_ITS_SIDE
from support.pictures.pngs import SIGNATURE, chunk, ihdr
from swapline_producer.errors import ObjectMissing
from swapline_producer.storage import open_storage
from swapline_workers.board.thumbnails import LARGEST, SIDE, NoThumbnail, Thumbnails, reduced

if TYPE_CHECKING:
    from pathlib import Path


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def claims(width: int, height: int) -> bytes:
    """A PNG of some bytes that claims to be this large."""
    return SIGNATURE + ihdr(width, height) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_picture_becomes_a_small_jpeg_of_the_same_shape(form: str, mode: str) -> None:
    small = Image.open(BytesIO(reduced(encoded(Image.new(mode, (1200, 1800)), form))))
    assert (small.format, small.size) == ("JPEG", (427, SIDE))


def test_it_stands_upright_on_white_and_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "a camera"
    lying = encoded(Image.new("RGB", (300, 200), "red"), "JPEG", exif=exif)
    small = Image.open(BytesIO(reduced(lying)))
    assert (small.size, dict(small.getexif())) == ((200, 300), {})
    by_xmp_alone = encoded(Image.new("RGB", (300, 200)), "JPEG", xmp=XMP_ON_ITS_SIDE)
    assert Image.open(BytesIO(reduced(by_xmp_alone))).size == (300, 200)
    clear = Image.open(BytesIO(reduced(encoded(Image.new("RGBA", (10, 10), (0, 0, 0, 0)), "PNG"))))
    assert clear.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        PHOTOGRAPH[:500],
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(Image.new("RGB", (9, 9)), "GIF"),
        encoded(Image.new("RGB", (9, 9)), "TIFF"),
        claims(10_000, 10_000),
        claims(60_000, 60_000),
        claims(500, 500),
    ],
    ids=["empty", "text", "cut", "svg", "gif", "tiff", "100 megapixels", "a bomb", "too little data"],
)
def test_what_is_no_picture_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(NoThumbnail):
        reduced(data)


def test_an_object_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    storage = open_storage(tmp_path.as_uri())
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(NoThumbnail, match="too large"):
        Thumbnails(storage).of("huge")


def test_a_small_picture_is_made_once_and_the_oldest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(tmp_path.as_uri())
    thumbnails = Thumbnails(storage)
    storage.put("a", PHOTOGRAPH, "image/jpeg")
    storage.put("b", PHOTOGRAPH, "image/jpeg")
    small = thumbnails.of("a")
    storage.delete(["a"])
    assert thumbnails.of("a") == small
    monkeypatch.setattr("swapline_workers.board.thumbnails.CACHE_BYTES", len(small) + 1)
    thumbnails.of("b")
    assert not thumbnails.there("a")
    with pytest.raises(ObjectMissing):
        thumbnails.of("a")
