"""Draw people: head and shoulders from the front, with light and shade. Coordinates are percent of the canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import ImageColor

from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from random import Random

    from swapline_simulator.imaging.drawing.brush import Brush, Point

EYES: tuple[Point, Point] = ((42.5, 43), (57.5, 43))
"""Of everyone drawn here."""
SKINS = ("#f3cfb3", "#e4b18b", "#c58a5c", "#955f3d", "#6a4129")
HAIRS = ("#231812", "#4d301f", "#8f5a26", "#c9a25c", "#9a9aa0")
IRISES = ("#3a5a78", "#4b3621", "#3f6b4b")


@dataclass(frozen=True)
class Person:
    """How one person looks."""

    skin: str
    hair: str
    iris: str
    long_hair: bool
    beard: bool = False
    glasses: bool = False
    face: float = 17.5
    """Half the width of the face."""
    smile: float = 1.5
    """How much higher the corners of the mouth are than its middle."""

    @classmethod
    def drawn_by(cls, rng: Random) -> Person:
        """Return a person by chance."""
        long_hair = rng.choice((True, False))
        return cls(
            skin=rng.choice(SKINS),
            hair=rng.choice(HAIRS),
            iris=rng.choice(IRISES),
            long_hair=long_hair,
            beard=not long_hair and rng.choice((True, False)),
            glasses=rng.choice((True, False, False)),
            face=rng.uniform(16.5, 18.5),
            smile=rng.uniform(0.8, 2.2),
        )


def draw_person(brush: Brush, person: Person, clothes: str) -> None:
    """Draw from the back to the front."""
    if person.long_hair:
        _long_hair(brush, person)
    _shoulders(brush, clothes)
    draw_head(brush, person)
    _hair(brush, person)


def draw_head(brush: Brush, person: Person) -> None:
    """Draw neck and face, without hair."""
    shade = tone(person.skin, 0.72)
    brush.blob([(43, 62), (57, 62), (58, 76), (62, 82), (50, 90), (38, 82), (42, 76)], tone(person.skin, 0.86))
    brush.oval((50, 71), (10, 5), shade, soft=2, opacity=0.8)
    for side in (-1, 1):
        brush.oval((50 + side * (person.face + 0.6), 47), (2.4, 4.6), tone(person.skin, 0.85))
    _skull(brush, person, person.skin)
    for side in (-1, 1):  # the sides lie in the shade
        brush.oval((50 + side * (person.face - 4), 51), (1.4, 12), shade, soft=1.7, opacity=0.4)
        brush.oval((50 + side * 9.5, 53), (4.5, 3.5), "#d8604f", soft=2.5, opacity=0.22)
    brush.oval((50, 31), (9, 5), tone(person.skin, 1.18), soft=3, opacity=0.5)
    brush.oval((50, 69), (7, 2), shade, soft=1.6, opacity=0.45)
    if person.beard:
        _beard(brush, person)
    for x, y in EYES:
        _eye(brush, person, x, y)
    _nose(brush, person)
    _mouth(brush, person)
    if person.glasses:
        _glasses(brush)


def tone(colour: str, factor: float) -> str:
    """Return a colour darker (below 1) or lighter."""
    red, green, blue = (min(255, round(value * factor)) for value in ImageColor.getrgb(colour)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _skull(brush: Brush, person: Person, colour: str) -> None:
    wide = person.face
    half = [(0, 21), (0.62, 23.5), (0.95, 32), (1, 44), (0.94, 55), (0.74, 64), (0.4, 70.2), (0, 72)]
    right = [(50 + wide * x, y) for x, y in half]
    left = [(50 - wide * x, y) for x, y in half[-2:0:-1]]
    brush.blob(right + left, colour)


def _eye(brush: Brush, person: Person, x: float, y: float) -> None:
    side = -1 if x < 50 else 1  # noqa: PLR2004 -- the middle
    dark = tone(person.skin, 0.5)
    brush.oval((x, y - 0.6), (4.8, 3), tone(person.skin, 0.6), soft=1.4, opacity=0.55)
    brush.blob(
        [(x - 3.3, y + 0.3), (x - 1.3, y - 1.5), (x + 1.3, y - 1.5), (x + 3.3, y + 0.3), (x, y + 1.5)], "#f4efec"
    )
    brush.oval((x, y - 0.1), (1.55, 1.55), person.iris)
    brush.oval((x, y - 0.1), (0.75, 0.75), "#0c0c0c")
    brush.oval((x + 0.5, y - 0.7), (0.35, 0.35), "#ffffff")
    brush.curve([(x - 3.4, y + 0.4), (x - 1.4, y - 1.6), (x + 1.4, y - 1.6), (x + 3.4, y + 0.3)], 0.6, "#1d1410")
    brush.curve([(x - 2.8, y + 1.2), (x, y + 1.8), (x + 2.8, y + 1.1)], 0.25, dark, opacity=0.7)
    brow = [(x - side * 3.6, y - 4.3), (x, y - 5.4), (x + side * 4.2, y - 4.0)]
    brush.curve(brow, 1.15, tone(person.hair, 0.8), soft=0.25, opacity=0.9)


def _nose(brush: Brush, person: Person) -> None:
    shade, light = tone(person.skin, 0.66), tone(person.skin, 1.2)
    brush.curve([(47.8, 41.5), (47.4, 47), (46.2, 51.4)], 1.1, shade, soft=0.8, opacity=0.5)
    brush.curve([(50.2, 40), (50.2, 50)], 1.2, light, soft=0.8, opacity=0.55)
    brush.oval((50, 52.6), (4.2, 1.1), shade, soft=0.8, opacity=0.7)
    for side in (-1, 1):
        brush.oval((50 + side * 2, 52.3), (0.95, 0.5), tone(person.skin, 0.35), soft=0.25)
        brush.curve([(50 + side * 3.6, 50.4), (50 + side * 3.9, 52)], 0.5, shade, soft=0.35, opacity=0.8)


def _mouth(brush: Brush, person: Person) -> None:
    y, up = 59.5, person.smile
    corners = (43.6, y - up), (56.4, y - up)
    lip = "#9c4240" if person.beard else "#b3474a"
    brush.blob([corners[0], (47, y - 1.6), (50, y - 1.1), (53, y - 1.6), corners[1], (50, y + up * 0.5)], lip)
    brush.blob([corners[0], (50, y - 0.1 + up * 0.3), corners[1], (53, y + 2.2), (47, y + 2.2)], tone(lip, 1.16))
    brush.blob([(45, y - up * 0.75), (50, y - 0.5), (55, y - up * 0.75), (52, y + 0.8), (48, y + 0.8)], "#f3ece6")
    brush.curve([corners[0], (50, y - 0.6), corners[1]], 0.35, "#5c2220", opacity=0.8)
    brush.oval((50, y + 4.2), (4, 0.8), tone(person.skin, 0.66), soft=0.8, opacity=0.6)
    for side in (-1, 1):
        fold = [(50 + side * 4.6, 52), (50 + side * 7.6, 55.5), (50 + side * 8, 58.5)]
        brush.curve(fold, 0.6, tone(person.skin, 0.62), soft=0.6, opacity=0.55)


def _beard(brush: Brush, person: Person) -> None:
    colour, wide = tone(person.hair, 0.95), person.face
    outer = [(0.97, 49), (0.92, 58), (0.72, 67), (0.38, 72.5), (0, 74.5)]
    inner = [(0.3, 66), (0.52, 61), (0.42, 56), (0, 54.8)]
    right = [(50 + wide * x, y) for x, y in outer]
    left = [(50 - wide * x, y) for x, y in outer[-2::-1]]
    chin = [(50 - wide * x, y) for x, y in inner[2::-1]]
    rest = [(50 + wide * x, y) for x, y in inner]
    brush.polygon(right + left + chin + rest[:3], colour, soft=0.7, opacity=0.92)
    brush.curve([(43, 58), (46.5, 55.4), (50, 55.2), (53.5, 55.4), (57, 58)], 2, colour, soft=0.5, opacity=0.92)


def _glasses(brush: Brush) -> None:
    for x, y in EYES:
        ring = [
            (x - 5.2, y),
            (x - 3.6, y - 3.4),
            (x + 3.6, y - 3.4),
            (x + 5.2, y),
            (x + 3.6, y + 3.6),
            (x - 3.6, y + 3.6),
        ]
        brush.curve([*ring, ring[0], ring[1]], 0.55, "#1f1f24")
    brush.curve([(47.7, 42.4), (50, 41.6), (52.3, 42.4)], 0.55, "#1f1f24")


def _shoulders(brush: Brush, clothes: str) -> None:
    brush.blob([(12, 104), (16, 90), (34, 81), (50, 86), (66, 81), (84, 90), (88, 104)], clothes)
    brush.curve([(36, 81), (50, 91), (64, 81)], 1.6, tone(clothes, 0.75), soft=0.4)
    for side in (-1, 1):
        brush.curve([(50 + side * 30, 90), (50 + side * 26, 102)], 2, tone(clothes, 0.7), soft=1.4, opacity=0.6)


def _hair(brush: Brush, person: Person) -> None:
    wide, low = person.face + 1.6, 46 if person.long_hair else 40
    edge = [(50 - wide, low), (50 - wide, 30), (40, 17.5), (50, 15), (60, 17.5), (50 + wide, 30), (50 + wide, low)]
    line = [(50 + wide - 3, 34), (58, 27.5), (48, 25.5), (40, 28.5), (50 - wide + 3, 35)]
    brush.blob(edge + line, person.hair)
    _strands(brush, person, [(46, 16), (54, 16)], (50 - wide, 50 + wide), low - 2)


def _long_hair(brush: Brush, person: Person) -> None:
    back = [(29, 44), (33, 24), (50, 14), (67, 24), (71, 44), (73, 70), (68, 86), (32, 86), (27, 70)]
    brush.blob(back, tone(person.hair, 0.8))
    _strands(brush, person, [(34, 40), (66, 40)], (28, 72), 84)


def _strands(brush: Brush, person: Person, roots: list[Point], sides: tuple[float, float], low: float) -> None:
    rng = stream(0, "strands", person.hair, str(low))
    for number in range(26):
        root, side = roots[number % 2], sides[number % 2]
        inwards = rng.uniform(0, 4) * (1 if number % 2 == 0 else -1)
        end = (side + inwards, low - rng.uniform(0, 6))
        middle = ((root[0] + end[0]) / 2 + inwards * -0.4, root[1] + (end[1] - root[1]) * rng.uniform(0.25, 0.4))
        colour = tone(person.hair, rng.choice((0.7, 0.8, 1.35, 1.6)))
        brush.curve(
            [(root[0] + rng.uniform(-3, 3), root[1] + rng.uniform(0, 4)), middle, end], 0.3, colour, opacity=0.6
        )
