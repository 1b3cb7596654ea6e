"""Three sample portraits: a photograph in the package, and two people that do not exist."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING

from swapline_simulator.imaging.drawing.people import Person
from swapline_simulator.imaging.drawing.portrait import portrait, random_portrait
from swapline_simulator.imaging.styles import PALETTES
from swapline_simulator.imaging.swap import Eyes

if TYPE_CHECKING:
    from PIL import Image

SAMPLE = "photos/astronaut.jpg"
ASTRONAUT_EYES = Eyes((203, 101), (247, 103))
"""In the photograph, in pixels."""
DRAWN = (
    (Person("#8a5638", "#1d1512", "#4b3621", long_hair=False, beard=True, face=18.2, smile=1.2), PALETTES[4]),
    (Person("#f0c8a8", "#9a9aa0", "#3a5a78", long_hair=True, glasses=True, face=17, smile=1.8), PALETTES[1]),
)


def sample_photographs() -> list[bytes]:
    """Return JPEG portraits of three people, 512 x 512 pixels, the same bytes every time.

    NASA's portrait of Eileen Collins (public domain), and drawings of a bearded man and an elderly woman.
    """
    return list(_samples())


@cache
def _samples() -> tuple[bytes, ...]:
    photograph = files("swapline_simulator").joinpath(SAMPLE).read_bytes()
    return (photograph, *(jpeg(portrait(person, palette)) for person, palette in DRAWN))


def portrait_of(url: str) -> bytes:
    """Return a JPEG of a drawn face, 512 x 512 pixels: the same face for the same URL."""
    return jpeg(random_portrait(url))


def jpeg(picture: Image.Image) -> bytes:
    """Encode a picture as a JPEG of quality 90, as cameras do."""
    out = BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()
