"""Whether bytes are one whole picture: a PNG as promised, or a JPEG or WebP, paid for too."""

from __future__ import annotations

from typing import NamedTuple

from swapline_producer.client.inputs.picture_formats import BrokenHeader, CutShort, measure, media_type
from swapline_workers.core.reply.png import MAX_PIXELS, SIGNATURE, PngError, size_of, walk

PNG = "image/png"
WHITE_SPACE = b" \t\r\n"
"""What may follow a PNG: none ends so, because IEND's checksum ends in 82 (hexadecimal)."""


class NotWhole(ValueError):  # noqa: N818 -- it names the situation
    """The bytes are not one whole picture."""


class PictureInfo(NamedTuple):
    """Size in pixels before EXIF rotation."""

    media_type: str
    width: int
    height: int


def whole_picture(data: bytes, *, inflate: bool) -> bytes:
    """Return one whole picture, without white space behind. Raises NotWhole. `inflate`: see `png.walk`."""
    kind = media_type(data) or PNG
    if kind != PNG:
        _check(data, kind)
        return data
    picture = data.rstrip(WHITE_SPACE) if data.startswith(SIGNATURE) and data[-1:] in WHITE_SPACE else data
    try:
        walk(picture, inflate=inflate)
    except PngError as error:
        raise NotWhole(str(error)) from error
    return picture


def info_of(data: bytes) -> PictureInfo:
    """Return a whole picture's type and size. Raises NotWhole."""
    kind = media_type(data) or PNG
    if kind != PNG:
        return _check(data, kind)
    try:
        return PictureInfo(PNG, *size_of(data))
    except PngError as error:
        raise NotWhole(str(error)) from error


def _check(data: bytes, kind: str) -> PictureInfo:
    try:
        width, height = measure(data, kind)
    except BrokenHeader:
        raise NotWhole(f"it begins like {kind}, and its header is broken") from None
    except CutShort:
        raise NotWhole(f"it is {kind}, cut short after {len(data)} bytes") from None
    if width * height > MAX_PIXELS:
        raise NotWhole(f"{width}x{height} is more than {MAX_PIXELS // 1_000_000} megapixels")
    return PictureInfo(kind, width, height)
