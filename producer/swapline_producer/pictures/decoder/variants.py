"""Variants of one picture, decoded once. Runs in the child process only."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from swapline_producer.pictures.decoder.decode import open_picture

if TYPE_CHECKING:
    from swapline_producer.contract import Variant

FACE_HEIGHT = 0.3
"""A portrait's face from the top, as a share of the height."""
WEBP_EFFORT = 1
"""Of 0 to 6: a third of the time, files 7 % larger."""


def make_variants(data: bytes, kind: str, variants: list[Variant]) -> list[tuple[bytes, tuple[int, int]]]:
    """Return variants with sizes in pixels. Raises Unreadable, and what Pillow raises."""
    with open_picture(data, kind) as opened:
        ImageOps.exif_transpose(opened, in_place=True)
        picture = _flat(opened)
    return [_made(picture, variant) for variant in variants]


def _made(picture: Image.Image, variant: Variant) -> tuple[bytes, tuple[int, int]]:
    """Return the variant and its size in pixels."""
    box = _crop(picture.size, variant.ratio)
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, variant.side / max(width, height)) if variant.side else 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    made = picture
    if (box, size) != ((0, 0, *picture.size), picture.size):
        made = picture.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    out = BytesIO()
    if variant.suffix == "jpg":
        made.save(out, "JPEG", quality=variant.quality)
    else:
        made.save(out, "WEBP", quality=variant.quality, method=WEBP_EFFORT)
    return out.getvalue(), size


def _crop(size: tuple[int, int], ratio: tuple[int, int] | None) -> tuple[int, int, int, int]:
    """Return the largest box of a ratio: in the middle, and as high as a face."""
    width, height = size
    if ratio is None:
        return 0, 0, width, height
    wide, high = min(width, height * ratio[0] // ratio[1]), min(height, width * ratio[1] // ratio[0])
    wide, high = max(1, wide), max(1, high)
    left, top = (width - wide) // 2, round((height - high) * FACE_HEIGHT)
    return left, top, left + wide, top + high


def _flat(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, (0, 0), rgba)
    return white
