"""Drawn portraits: two of the samples, and those for pictures by URL: the simulator calls loopback addresses only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from swapline_simulator.imaging.drawing.brush import Brush
from swapline_simulator.imaging.drawing.people import Person, draw_person
from swapline_simulator.imaging.styles import PALETTES
from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from swapline_simulator.imaging.styles import Palette

SIDE = 512
"""Pixels of each side of a portrait."""


def random_portrait(url: str) -> Image.Image:
    """Return the portrait of a person by chance: the same for the same URL."""
    rng = stream(0, "portrait", url)
    return portrait(Person.drawn_by(rng), rng.choice(PALETTES))


def portrait(person: Person, palette: Palette) -> Image.Image:
    """Draw a person before a plain wall, SIDE x SIDE pixels."""
    canvas = ImageOps.colorize(Image.radial_gradient("L"), palette.light, palette.mid)
    canvas = canvas.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    draw_person(Brush(canvas), person, palette.accent)
    return canvas
