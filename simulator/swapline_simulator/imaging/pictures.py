"""From a photograph to a result: cropped to the ratio, changed by the filter, framed, and written as a PNG."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from swapline_simulator.enums import ApiVersion, ResultSize
from swapline_simulator.imaging.frame import frame
from swapline_simulator.imaging.styles import chosen, tiled
from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from swapline_simulator.enums import FilterId, Ratio

FACE_HEIGHT = 0.3
"""Where a face usually is in a portrait, as a share of its height from the top: the crop keeps it."""
GRAIN = 21
"""Steps of lightness in the film grain: with it a portrait has about 4 MB, as a photograph of that size would."""
GRAIN_CELL = 256
"""Pixels of the side of the piece of grain that is repeated: too large for the eye to find the pattern."""
RUN_LENGTHS = 3
"""zlib's strategy Z_RLE: it finds flat areas and little else, in a fifth less time than zlib's own choice."""
MAX_SIDE = 1800
"""Pixels of the longest result: a larger JPEG need not be decoded at full size."""


class Recipe(NamedTuple):
    """All that a result depends on, beside the photograph."""

    filter_id: FilterId
    ratio: Ratio
    version: ApiVersion
    results: ResultSize

    @property
    def number(self) -> int:
        """The filter as a number. The two versions give different pictures for the same filter, as the page says."""
        own = self.filter_id.int if isinstance(self.filter_id, UUID) else self.filter_id
        return own + (3 if self.version is ApiVersion.V5 else 0)

    @property
    def title(self) -> str:
        """What stands on the ticket."""
        return f"FILTER {str(self.filter_id)[:8].upper()}"


def opened(photograph: bytes) -> Image.Image:
    """Decode a photograph the right way up as RGB.

    Raises what Pillow raises for a picture that it cannot read to its end.
    """
    with Image.open(BytesIO(photograph)) as picture:
        picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
        return ImageOps.exif_transpose(picture).convert("RGB")


def render(photograph: bytes, recipe: Recipe) -> bytes:
    """Give the PNG of a result, of exactly the size of its ratio: about 4 MB, or 40 kB where small ones are wanted."""
    picture = opened(photograph)
    return png(_small(picture, recipe) if recipe.results is ResultSize.SMALL else _full(picture, recipe))


def png(picture: Image.Image) -> bytes:
    """Write a picture as a PNG, fast rather than small."""
    out = BytesIO()
    picture.save(out, "PNG", compress_level=1, compress_type=RUN_LENGTHS)
    return out.getvalue()


def _full(picture: Image.Image, recipe: Recipe) -> Image.Image:
    style, palette = chosen(recipe.number)
    result = style(_filling(picture, recipe.ratio.size), palette)
    around = frame(result.size, palette, recipe.title, f"simulated face swap {recipe.version}")
    result.paste(around, (0, 0), around)
    return ImageChops.add(result, _grain(result.size), offset=-GRAIN // 2)


def _small(picture: Image.Image, recipe: Recipe) -> Image.Image:
    """Do the work on a sixteenth of the pixels, in 16 colours, and let each pixel be a block of 4 x 4."""
    style, palette = chosen(recipe.number)
    width, height = recipe.ratio.size
    result = style(_filling(picture, (width // 4, height // 4)), palette)
    brush = ImageDraw.Draw(result)
    brush.rectangle((0, result.height - 40, result.width, result.height), fill=palette.dark)
    brush.text((12, result.height - 20), recipe.title, font=ImageFont.load_default(24), fill=palette.light, anchor="lm")
    flat = result.quantize(16, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    return flat.resize((width, height), Image.Resampling.NEAREST)


def _filling(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop to the shape and scale to the size; nothing is stretched, nothing is left empty."""
    return ImageOps.fit(picture, size, Image.Resampling.BICUBIC, centering=(0.5, FACE_HEIGHT))


@lru_cache(maxsize=3)  # one for each ratio, 6 MB
def _grain(size: tuple[int, int]) -> Image.Image:
    noise = bytes(value % GRAIN for value in stream(0, "grain").randbytes(GRAIN_CELL * GRAIN_CELL))
    grey = tiled(Image.frombytes("L", (GRAIN_CELL, GRAIN_CELL), noise), size)
    return Image.merge("RGB", [grey] * 3)
