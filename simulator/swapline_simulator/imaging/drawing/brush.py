"""Draw smooth and soft shapes on a picture. Coordinates are percent of its width."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Point = tuple[float, float]
OVERSAMPLING = 2
"""Shapes are drawn twice as large and reduced, because Pillow does not smooth edges."""


class Brush:
    """Draws on one square picture of mode RGB."""

    def __init__(self, canvas: Image.Image) -> None:
        """Draw on this picture."""
        self.canvas = canvas
        self._unit = canvas.width / 100

    def oval(self, centre: Point, radii: Point, colour: str, *, soft: float = 0, opacity: float = 1) -> None:
        """Fill an ellipse; its edge is blurred by `soft`."""
        (x, y), (wide, high) = centre, radii
        corners = ((x - wide, y - high), (x + wide, y + high))
        self._shape(corners, lambda draw, points: draw.ellipse(points, fill=255), colour, soft, opacity)

    def polygon(self, points: Sequence[Point], colour: str, *, soft: float = 0, opacity: float = 1) -> None:
        """Fill a polygon."""
        self._shape(points, lambda draw, placed: draw.polygon(placed, fill=255), colour, soft, opacity)

    def curve(self, points: Sequence[Point], width: float, colour: str, *, soft: float = 0, opacity: float = 1) -> None:
        """Draw a smooth line through points, with round ends."""
        self._shape(
            list(_smooth(points)), lambda draw, placed: self._stroke(draw, placed, width), colour, soft, opacity
        )

    def blob(self, points: Sequence[Point], colour: str, *, soft: float = 0, opacity: float = 1) -> None:
        """Fill the smooth closed shape through points."""
        closed = [points[-1], *points, points[0], points[1]]
        edge = list(_smooth(closed))
        inner = edge[len(edge) // (len(closed) - 1) : -(len(edge) // (len(closed) - 1))]
        self.polygon(inner, colour, soft=soft, opacity=opacity)

    def _stroke(self, draw: ImageDraw.ImageDraw, placed: Sequence[Point], width: float) -> None:
        pixels = max(1, round(width * self._unit * OVERSAMPLING))
        draw.line(placed, fill=255, width=pixels, joint="curve")
        for x, y in (placed[0], placed[-1]):
            draw.ellipse((x - pixels / 2, y - pixels / 2, x + pixels / 2, y + pixels / 2), fill=255)

    def _shape(
        self,
        points: Sequence[Point],
        fill: Callable[[ImageDraw.ImageDraw, list[Point]], object],
        colour: str,
        soft: float,
        opacity: float,
    ) -> None:
        """Fill a mask that is no larger than the shape and its blurred edge, and paint through it."""
        margin = 3 * soft + 3
        left, top = (round((min(axis) - margin) * self._unit) for axis in zip(*points, strict=True))
        right, bottom = (ceil((max(axis) + margin) * self._unit) for axis in zip(*points, strict=True))
        mask = Image.new("L", ((right - left) * OVERSAMPLING, (bottom - top) * OVERSAMPLING))
        scale = self._unit * OVERSAMPLING
        placed = [(x * scale - left * OVERSAMPLING, y * scale - top * OVERSAMPLING) for x, y in points]
        fill(ImageDraw.Draw(mask), placed)
        mask = mask.reduce(OVERSAMPLING)
        if soft:
            mask = mask.filter(ImageFilter.GaussianBlur(soft * self._unit))
        if opacity < 1:
            mask = mask.point([round(value * opacity) for value in range(256)])
        self.canvas.paste(colour, (left, top), mask)


def _smooth(points: Sequence[Point], steps: int = 12) -> Iterable[Point]:
    """Return points of a Catmull-Rom spline through these points."""
    padded = [points[0], *points, points[-1]]
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(steps):
            t = step / steps
            yield tuple(  # type: ignore[misc]  # of two numbers, as the points are
                0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
                for a, b, c, d in zip(before, start, end, after, strict=True)
            )
    yield points[-1]
