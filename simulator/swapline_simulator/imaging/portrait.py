"""A drawn face for a picture given by URL: the simulator calls loopback addresses only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageOps

from swapline_simulator.imaging.photographs import SIDE, jpeg
from swapline_simulator.imaging.styles import PALETTES
from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from random import Random

OVERSAMPLING = 2
"""The face is drawn twice as large and reduced, because Pillow does not smooth edges."""
SKINS = ("#f6d3b3", "#e8b48a", "#c98d5e", "#9a6240", "#6b4129")
HAIRS = ("#2b1b12", "#5a3825", "#a5682a", "#d9b36a", "#8f8f95")
IRISES = ("#3a5a78", "#4b3621", "#3f6b4b")


def portrait_of(url: str) -> bytes:
    """Return a JPEG of a face, 512 x 512 pixels: the same face for the same URL."""
    rng = stream(0, "portrait", url)
    palette = rng.choice(PALETTES)
    backdrop = ImageOps.colorize(Image.radial_gradient("L"), palette.light, palette.mid)
    canvas = backdrop.resize((SIDE * OVERSAMPLING, SIDE * OVERSAMPLING), Image.Resampling.BICUBIC)
    _Artist(canvas, rng).draw(palette.accent)
    return jpeg(canvas.reduce(OVERSAMPLING))


class _Artist:
    """Draws a face. Coordinates are percent of the canvas."""

    def __init__(self, canvas: Image.Image, rng: Random) -> None:
        self._brush = ImageDraw.Draw(canvas)
        self._unit = canvas.width / 100
        self._skin = rng.choice(SKINS)
        self._hair = rng.choice(HAIRS)
        self._iris = rng.choice(IRISES)
        self._long_hair = rng.random() < 0.5  # noqa: PLR2004 -- one half has long hair
        self._face = rng.uniform(16, 19)
        self._smile = rng.uniform(3, 7)

    def draw(self, clothes: str) -> None:
        """Draw from the back to the front."""
        if self._long_hair:
            self._oval(50, 48, 25, 32, self._hair)
        self._oval(50, 108, 40, 34, clothes)
        self._oval(50, 74, 8, 12, self._skin)
        self._oval(50, 38, self._face + 4, 25, self._hair)
        self._oval(50, 45, self._face, 23, self._skin)
        self._brush.chord(self._box(50, 31, self._face, 14), 180, 360, fill=self._hair)
        for side in (-1, 1):
            self._eye(50 + side * 7.5)
        self._brush.line(
            [self._point(50, 45), self._point(51.5, 51), self._point(49.5, 51.5)], self._hair, OVERSAMPLING * 3
        )
        self._brush.chord(self._box(50, 56, 7, self._smile), 0, 180, fill="#a23b3b")

    def _eye(self, x: float) -> None:
        self._oval(x, 43, 3.2, 2.1, "#ffffff")
        self._oval(x, 43, 1.7, 1.9, self._iris)
        self._oval(x, 43, 0.8, 0.9, "#101010")
        self._brush.arc(self._box(x, 40.5, 4, 3), 200, 340, fill=self._hair, width=OVERSAMPLING * 4)

    def _oval(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        self._brush.ellipse(self._box(x, y, wide, high), fill=colour)

    def _box(self, x: float, y: float, wide: float, high: float) -> tuple[float, float, float, float]:
        return (*self._point(x - wide, y - high), *self._point(x + wide, y + high))

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return (x * self._unit, y * self._unit)
