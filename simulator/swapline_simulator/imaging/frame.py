"""The frame around a result: border, confetti and a label with the filter's number mark it as simulated."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from random import Random

    from swapline_simulator.imaging.styles import Palette

Size = tuple[int, int]
BORDER = 34
"""Pixels: visible on a contact sheet, and clear of the face."""
OVERSAMPLING = 3
"""Shapes are drawn three times larger and reduced, because Pillow does not smooth edges."""


@lru_cache(maxsize=4)  # 9 MB each: three ratios of the filter in use, and one more
def frame(size: Size, palette: Palette, title: str, note: str) -> Image.Image:
    """Return a transparent picture of this size with everything around the photograph."""
    canvas = Image.new("RGBA", size, palette.light)
    opening = _rounded((size[0] - 2 * BORDER, size[1] - 2 * BORDER), 40)
    canvas.paste((0, 0, 0, 0), (BORDER, BORDER), opening)
    _draw_confetti(canvas, palette, stream(0, "confetti", title))
    _draw_label(canvas, palette, title, note)
    return canvas


def _rounded(size: Size, radius: int) -> Image.Image:
    mask = Image.new("L", size, 255)
    corner = Image.new("L", (radius * OVERSAMPLING, radius * OVERSAMPLING))
    ImageDraw.Draw(corner).ellipse((0, 0, 2 * radius * OVERSAMPLING, 2 * radius * OVERSAMPLING), fill=255)
    small = corner.reduce(OVERSAMPLING)
    for turns in range(4):
        right, bottom = turns in {2, 3}, turns in {1, 2}
        corner_position = (size[0] - radius if right else 0, size[1] - radius if bottom else 0)
        mask.paste(small.rotate(90 * turns), corner_position)
    return mask


def _draw_confetti(canvas: Image.Image, palette: Palette, rng: Random) -> None:
    """Scatter confetti along the sides and the top edge, clear of the face."""
    for number in range(96):
        piece = _piece(rng.choice(palette), rng)
        inwards, along = rng.random() ** 2 * 0.2, rng.random()
        if number % 4 == 0:
            x, y = along, inwards / 3
        else:
            x, y = inwards if number % 2 else 1 - inwards, along**1.5
        canvas.alpha_composite(piece, (int(x * (canvas.width - piece.width)), int(y * (canvas.height - piece.height))))


def _piece(colour: str, rng: Random) -> Image.Image:
    """Return one piece of confetti, a slip or (one in three) a dot, randomly rotated."""
    long, short = rng.randint(28, 52) * OVERSAMPLING, rng.randint(12, 20) * OVERSAMPLING
    paper = Image.new("RGBA", (long + 2 * OVERSAMPLING, long + 2 * OVERSAMPLING))
    brush = ImageDraw.Draw(paper)
    if rng.randrange(3) == 0:
        brush.ellipse((long // 4, long // 4, long * 3 // 4, long * 3 // 4), fill=colour)
    else:
        brush.rectangle((OVERSAMPLING, (long - short) // 2, long, (long + short) // 2), fill=colour)
    return paper.rotate(rng.uniform(0, 180), resample=Image.Resampling.BILINEAR).reduce(OVERSAMPLING)


def _draw_label(canvas: Image.Image, palette: Palette, title: str, note: str) -> None:
    """Draw the filter's name on a label at the foot of the picture."""
    large, small = ImageFont.load_default(76), ImageFont.load_default(30)
    width = int(max(large.getlength(title), small.getlength(note))) + 96
    label = Image.new("RGBA", (width, 178), palette.dark)
    brush = ImageDraw.Draw(label)
    brush.rectangle((0, 0, 14, label.height), fill=palette.accent)
    brush.text((52, 70), title, font=large, fill=palette.light, anchor="lm")
    brush.text((54, 136), note, font=small, fill=palette.light, anchor="lm")
    label.putalpha(_rounded(label.size, 34))
    canvas.alpha_composite(label, (2 * BORDER, canvas.height - label.height - 2 * BORDER))
