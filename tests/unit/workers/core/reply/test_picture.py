"""Which pictures are whole: the promised PNG, and what was paid for and is of another type."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from support.pictures.pngs import png
from swapline_workers.core.reply.picture import NotWhole, PictureInfo, info_of, whole_picture

PICTURE = png(40, 30)


def encoded(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#884422").save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("space", [b"\n", b"\r\n", b" \t\n\n"])
def test_white_space_after_a_png_is_left_out(space: bytes) -> None:
    assert whole_picture(PICTURE + space, inflate=True) == PICTURE


@pytest.mark.parametrize("rest", [b"\0", b"\nx", b"x\n", PICTURE])
def test_other_bytes_after_a_png_are_refused(rest: bytes) -> None:
    with pytest.raises(NotWhole, match="follow the end"):
        whole_picture(PICTURE + rest, inflate=True)


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("PNG", "image/png")])
def test_a_whole_picture_of_each_type_stays_as_it_is(kind: str, media_type: str) -> None:
    data = encoded(kind)
    assert whole_picture(data, inflate=True) == data
    assert info_of(data) == PictureInfo(media_type, 40, 30)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.95])
def test_half_a_picture_of_any_type_is_refused(kind: str, keep: float) -> None:
    data = encoded(kind)
    with pytest.raises(NotWhole):
        whole_picture(data[: int(len(data) * keep)], inflate=True)


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(NotWhole, match="more than 50 megapixels"):
        whole_picture(encoded("JPEG", (10_000, 5_001)), inflate=True)


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"GIF89a" + bytes(100), b"\n" + PICTURE])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotWhole):
        whole_picture(data, inflate=True)
    with pytest.raises(NotWhole):
        info_of(data[:20])
