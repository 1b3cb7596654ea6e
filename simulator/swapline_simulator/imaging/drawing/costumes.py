"""The filters' pictures: a drawn person in a costume, whose face gives way to the photograph's."""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from swapline_simulator.imaging.drawing.brush import Brush
from swapline_simulator.imaging.drawing.people import Person, draw_head, draw_person, tone
from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 1024
"""Pixels of each side of a filter's picture, before it is cropped and enlarged to a ratio."""
WEARERS = (
    Person("#e4b18b", "#4d301f", "#4b3621", long_hair=False),
    Person("#c58a5c", "#231812", "#3f6b4b", long_hair=True),
    Person("#f3cfb3", "#8f5a26", "#3a5a78", long_hair=False),
    Person("#955f3d", "#231812", "#4b3621", long_hair=False),
)


def filter_picture(number: int) -> Image.Image:
    """Return the picture of a filter, SIDE x SIDE pixels. The eyes are where `people.EYES` says."""
    return _drawn((number + number // 8) % len(COSTUMES))  # so that a style comes with each costume


@cache  # four of 3 MB
def _drawn(chosen: int) -> Image.Image:
    canvas = Image.new("RGB", (SIDE, SIDE))
    COSTUMES[chosen](canvas, WEARERS[chosen])
    return canvas


def _wall(canvas: Image.Image, light: str, dark: str) -> Brush:
    around = ImageOps.colorize(Image.radial_gradient("L"), light, dark)
    canvas.paste(around.resize(canvas.size, Image.Resampling.BICUBIC))
    return Brush(canvas)


def astronaut(canvas: Image.Image, person: Person) -> None:
    """An open helmet among the stars."""
    brush = _wall(canvas, "#2a4a8a", "#060a1e")
    rng = stream(0, "stars")
    for _ in range(90):
        size = rng.uniform(0.1, 0.45)
        brush.oval((rng.uniform(0, 100), rng.uniform(0, 100)), (size, size), "#ffffff", soft=size / 2)
    brush.oval((88, 14), (13, 13), "#d98c4a")
    brush.curve([(70, 19), (88, 15), (106, 9)], 1.4, "#f1d29b", opacity=0.8)
    brush.blob([(6, 106), (10, 90), (30, 78), (70, 78), (90, 90), (94, 106)], "#e9ebef")
    for side in (-1, 1):
        brush.curve([(50 + side * 30, 88), (50 + side * 27, 104)], 2.5, "#a7adba", soft=1)
        brush.curve([(50 + side * 40, 92), (50 + side * 32, 96)], 3, "#d2492a")
    brush.oval((50, 46), (33, 37), "#f4f5f8")
    brush.oval((50, 46), (33, 37), "#9aa3b5", soft=2, opacity=0.25)
    brush.oval((50, 47), (27.5, 31.5), "#141a2c")
    draw_head(brush, person)
    _cap(brush, "#f4f5f8", "#c3c9d6")
    brush.oval((50, 86), (24, 7), "#c9cfdb")
    brush.oval((50, 84.5), (21, 5), "#8d95a7")
    brush.curve([(30, 24), (24.5, 36), (24, 50)], 1.6, "#ffffff", soft=0.7, opacity=0.8)


def monarch(canvas: Image.Image, person: Person) -> None:
    """A crown before a red curtain."""
    brush = _wall(canvas, "#b02a37", "#4a0a14")
    for fold in range(-2, 105, 9):
        brush.curve([(fold, -5), (fold + 1.5, 50), (fold, 105)], 2.2, "#3a0710", soft=1.6, opacity=0.7)
    draw_person(brush, person, "#5b2a86")
    brush.blob([(10, 106), (14, 90), (34, 79), (50, 93), (66, 79), (86, 90), (90, 106), (50, 99)], "#f6f1e7")
    rng = stream(0, "ermine")
    for x in range(13, 91, 3):
        low = 88 + abs(x - 50) ** 0.5 * -0.4 + rng.uniform(0, 9) + max(0, 6 - abs(x - 50) / 3)
        brush.oval((x, low), (0.5, 1.2), "#17120f")
    points = [(31, 26), (28.5, 5), (38, 14), (44, 1), (50, 11), (56, 1), (62, 14), (71.5, 5), (69, 26)]
    brush.polygon(points, "#e8b423")
    brush.polygon([(31, 26), (28.5, 5), (38, 14), (44, 1), (46, 26)], "#fff0b0", soft=1.5, opacity=0.3)
    brush.curve([(31, 25.5), (50, 21.5), (69, 25.5)], 5, "#c98f12")
    for x, y, colour in ((38, 24, "#1d6fd1"), (50, 22.3, "#c81e3a"), (62, 24, "#1d6fd1")):
        brush.oval((x, y), (1.9, 1.9), colour)
        brush.oval((x - 0.6, y - 0.6), (0.5, 0.5), "#ffffff", opacity=0.9)
    for tip in ((28.5, 5), (44, 1.6), (56, 1.6), (71.5, 5)):
        brush.oval(tip, (1.7, 1.7), "#ffe9a0")


def diver(canvas: Image.Image, person: Person) -> None:
    """A copper helmet in deep water."""
    brush = _wall(canvas, "#2fb5c4", "#05364d")
    for x in (12, 30, 74, 92):
        brush.polygon([(x - 2, -4), (x + 3, -4), (x + 11, 104), (x - 5, 104)], "#c9f7ff", soft=2.5, opacity=0.22)
    rng = stream(0, "bubbles")
    for number in range(26):
        size = rng.uniform(0.5, 1.6)
        place = (rng.uniform(0, 16) if number % 2 else rng.uniform(84, 100), rng.uniform(0, 100))
        brush.oval(place, (size, size), "#e8fdff", opacity=0.55)
        brush.oval(place, (size * 0.75, size * 0.75), "#2a93a8", opacity=0.6)
    brush.blob([(8, 106), (12, 88), (32, 80), (68, 80), (88, 88), (92, 106)], "#8a5a2b")
    brush.oval((50, 45), (34, 38), "#c47a35")
    brush.oval((42, 30), (17, 14), "#ffdca8", soft=5, opacity=0.55)
    brush.oval((50, 47), (28, 32), "#8c4f1d")
    brush.oval((50, 47), (25.5, 29.5), "#0d2b33")
    draw_head(brush, person)
    _cap(brush, "#b3402f", "#8c2c20")
    for step in range(12):
        angle = step * pi / 6 + pi / 12
        at = (50 + 31 * cos(angle), 46 + 35 * sin(angle))
        brush.oval(at, (1.5, 1.5), "#f0c079")
        brush.oval((at[0] + 0.3, at[1] + 0.3), (0.8, 0.8), "#7a4417")
    brush.oval((50, 88), (27, 8), "#c47a35")
    brush.oval((50, 86), (23, 5), "#8c4f1d")


def pilot(canvas: Image.Image, person: Person) -> None:
    """A leather cap, goggles and a scarf above the clouds."""
    brush = _wall(canvas, "#d9f0ff", "#3a8fd0")
    for x, y, size in (
        (10, 24, 8),
        (20, 27, 10),
        (2, 30, 9),
        (84, 14, 7),
        (93, 17, 9),
        (80, 72, 8),
        (96, 68, 11),
        (6, 74, 9),
    ):
        brush.oval((x, y), (size, size * 0.55), "#ffffff", soft=1.5, opacity=0.9)
    brush.blob([(10, 106), (13, 90), (33, 80), (67, 80), (87, 90), (90, 106)], "#6b4124")
    for side in (-1, 1):
        brush.blob([(50 + side * x, y) for x, y in ((6, 88), (20, 79), (33, 86), (22, 97))], "#e9d7b3")
    draw_head(brush, person)
    wide = person.face
    outer = [(-wide - 3.5, 60), (-wide - 4, 36), (-15, 16), (0, 12.5), (15, 16), (wide + 4, 36), (wide + 3.5, 60)]
    inner = [(wide - 0.5, 61), (wide - 1.5, 40), (11, 29), (0, 27), (-11, 29), (-wide + 1.5, 40), (-wide + 0.5, 61)]
    brush.blob([(50 + x, y) for x, y in outer + inner], "#70431f")
    brush.curve([(50, 13), (50, 26)], 0.5, "#3f2410", opacity=0.8)
    brush.curve([(33, 26), (50, 21.5), (67, 26)], 3.4, "#2b2b30")
    for x in (41, 59):
        brush.oval((x, 22.5), (8.2, 6.2), "#c9a23f")
        brush.oval((x, 22.5), (6.6, 4.7), "#27343d")
        brush.oval((x - 2, 21), (2.6, 1.5), "#bfe6ff", soft=0.5, opacity=0.8)
    brush.blob([(33, 78), (50, 83), (67, 78), (65, 88), (50, 93), (35, 88)], "#f4f1ea")
    brush.blob([(54, 86), (62, 88), (68, 104), (58, 104)], tone("#f4f1ea", 0.92))
    brush.curve([(36, 82), (50, 87), (64, 82)], 0.6, "#bdb6a4", opacity=0.8)


def _cap(brush: Brush, colour: str, seam: str) -> None:
    """Draw the cap under a helmet."""
    brush.blob(
        [
            (30.5, 44),
            (32, 28),
            (40, 17),
            (50, 14.5),
            (60, 17),
            (68, 28),
            (69.5, 44),
            (66, 36),
            (57, 28),
            (50, 26.5),
            (43, 28),
            (34, 36),
        ],
        colour,
    )
    brush.curve([(34, 36), (43, 28.4), (50, 27), (57, 28.4), (66, 36)], 0.8, seam)


COSTUMES: tuple[Callable[[Image.Image, Person], None], ...] = (astronaut, monarch, diver, pilot)
