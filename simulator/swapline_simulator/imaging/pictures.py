"""Render a result: put the photograph's face into the filter's picture, crop it to the ratio, style and frame it.

Where no face is found, the whole photograph takes the place of the filter's picture.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

from swapline_simulator.enums import ApiVersion, ResultSize
from swapline_simulator.imaging.drawing.costumes import SIDE as COSTUME_SIDE
from swapline_simulator.imaging.drawing.costumes import filter_picture
from swapline_simulator.imaging.faces import drawn_eyes, find_eyes
from swapline_simulator.imaging.frame import frame
from swapline_simulator.imaging.styles import style_of, tiled
from swapline_simulator.imaging.swap import swap_face
from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from swapline_simulator.enums import FilterId, Ratio
    from swapline_simulator.imaging.swap import Eyes

FACE_HEIGHT = 0.3
"""Usual position of a portrait's face, as a share of the height from the top: the crop keeps it."""
COSTUME_HEIGHT = 0.2
"""The same of the filters' pictures, which are hats as well."""
GRAIN = 21
"""Steps of lightness in the film grain: they give a portrait about 4 MB, as a photograph of that size has."""
GRAIN_CELL = 256
"""Pixels of each side of the repeated grain cell: large enough to hide the pattern."""
RUN_LENGTHS = 3
"""zlib's strategy Z_RLE: compresses flat areas only, in a fifth less time than the default."""
MAX_SIDE = 1800
"""Pixels of the longest result: a larger JPEG need not be decoded at full size."""


class Recipe(NamedTuple):
    """Everything that a result depends on, beside the photograph."""

    filter_id: FilterId
    ratio: Ratio
    version: ApiVersion
    results: ResultSize

    @property
    def number(self) -> int:
        """The filter as a number. The two API versions return different pictures for one filter, as the vendor's do."""
        own = self.filter_id.int if isinstance(self.filter_id, UUID) else self.filter_id
        return own + (3 if self.version is ApiVersion.V5 else 0)

    @property
    def title(self) -> str:
        """The text of the label."""
        return f"FILTER {str(self.filter_id)[:8].upper()}"


def open_picture(photograph: bytes) -> Image.Image:
    """Decode a photograph upright as RGB. Raises Pillow's errors for one that it cannot decode fully."""
    with Image.open(BytesIO(photograph)) as picture:
        picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
        picture.load()
        for name in ("xmp", "XML:com.adobe.xmp"):  # only EXIF says how it is turned
            picture.info.pop(name, None)
        return ImageOps.exif_transpose(picture).convert("RGB")


def render(photograph: bytes, recipe: Recipe, eyes: Eyes | None = None) -> bytes:
    """Return the PNG of a result, of exactly its ratio's size: about 4 MB, or 40 kB for small results.

    The eyes are looked for where they are not given. Small results show the whole photograph.
    """
    picture = open_picture(photograph)
    if recipe.results is ResultSize.SMALL:
        return png(_small(picture, recipe))
    return png(_full(picture, recipe, eyes or find_eyes(photograph, picture)))


def png(picture: Image.Image) -> bytes:
    """Encode a picture as a PNG, fast rather than small."""
    out = BytesIO()
    picture.save(out, "PNG", compress_level=1, compress_type=RUN_LENGTHS)
    return out.getvalue()


def _full(picture: Image.Image, recipe: Recipe, eyes: Eyes | None) -> Image.Image:
    """Render a whole result: swapped, styled and framed."""
    style, palette = style_of(recipe.number)
    if eyes is None:
        note, shown = f"simulated filter {recipe.version}, no face found", _filling(picture, recipe.ratio.size)
    else:
        swapped = swap_face(picture, eyes, filter_picture(recipe.number), drawn_eyes(COSTUME_SIDE))
        note, shown = (
            f"simulated face swap {recipe.version}",
            _filling(swapped, recipe.ratio.size, COSTUME_HEIGHT),
        )
    result = style(shown, palette)
    around = frame(result.size, palette, recipe.title, note)
    result.paste(around, (0, 0), around)
    return ImageChops.add(result, _grain(result.size), offset=-GRAIN // 2)


def _small(picture: Image.Image, recipe: Recipe) -> Image.Image:
    """Render a sixteenth of the pixels in 16 colours, each enlarged to a block of 4 x 4."""
    style, palette = style_of(recipe.number)
    width, height = recipe.ratio.size
    result = style(_filling(picture, (width // 4, height // 4)), palette)
    brush = ImageDraw.Draw(result)
    brush.rectangle((0, result.height - 40, result.width, result.height), fill=palette.dark)
    brush.text((12, result.height - 20), recipe.title, font=ImageFont.load_default(24), fill=palette.light, anchor="lm")
    flat = result.quantize(16, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    return flat.resize((width, height), Image.Resampling.NEAREST)


def _filling(picture: Image.Image, size: tuple[int, int], height: float = FACE_HEIGHT) -> Image.Image:
    """Crop to the shape and scale to the size, without stretching."""
    return ImageOps.fit(picture, size, Image.Resampling.BICUBIC, centering=(0.5, height))


@lru_cache(maxsize=3)  # one for each ratio, 6 MB
def _grain(size: tuple[int, int]) -> Image.Image:
    noise = bytes(value % GRAIN for value in stream(0, "grain").randbytes(GRAIN_CELL * GRAIN_CELL))
    grey = tiled(Image.frombytes("L", (GRAIN_CELL, GRAIN_CELL), noise), size)
    return Image.merge("RGB", [grey] * 3)
