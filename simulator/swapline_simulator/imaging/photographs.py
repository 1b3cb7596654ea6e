"""Three sample portraits, made from the photograph in the package."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO

from PIL import Image, ImageEnhance, ImageOps

SAMPLE = "photos/astronaut.jpg"
SIDE = 512
"""Pixels of each side of the samples."""


def sample_photographs() -> list[bytes]:
    """Return three different JPEG portraits, 512 x 512 pixels, the same bytes every time.

    NASA's portrait of Eileen Collins (public domain): original, mirrored in warm colours, cropped in cool ones.
    """
    original = files("swapline_simulator").joinpath(SAMPLE).read_bytes()
    with Image.open(BytesIO(original)) as opened:
        portrait = opened.convert("RGB")
    return [original, jpeg(_warm(portrait)), jpeg(_cool(portrait))]


def jpeg(picture: Image.Image) -> bytes:
    """Encode a picture as a JPEG of quality 90, as cameras do."""
    out = BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def _warm(portrait: Image.Image) -> Image.Image:
    crop = ImageOps.mirror(portrait.crop((20, 0, 452, 432))).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    evening = ImageOps.colorize(crop.convert("L"), "#3d1308", "#fff1d6", mid="#e08e45")
    return Image.blend(crop, evening, 0.45)


def _cool(portrait: Image.Image) -> Image.Image:
    crop = portrait.crop((92, 4, 362, 274)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    grey = ImageEnhance.Contrast(crop.convert("L")).enhance(1.1)
    return ImageOps.colorize(grey, "#0a1128", "#f1faee", mid="#5b7c99")
