"""The frame around a result: a border, confetti, and a ticket with the filter's number, lest it be taken for real."""

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
"""Pixels: thin enough to leave the picture, thick enough to be seen on a contact sheet."""
FINE = 3
"""Shapes are drawn this many times larger and reduced, because Pillow draws without smoothing edges."""


@lru_cache(maxsize=4)  # 9 MB each: three ratios of the filter in use, and one to spare
def frame(size: Size, palette: Palette, title: str, note: str) -> Image.Image:
    """Give a transparent picture of the given size with everything that stands around the photograph."""
    canvas = Image.new("RGBA", size, palette.light)
    opening = _rounded((size[0] - 2 * BORDER, size[1] - 2 * BORDER), 40)
    canvas.paste((0, 0, 0, 0), (BORDER, BORDER), opening)
    _throw_confetti(canvas, palette, stream(0, "confetti", title))
    _pin_ticket(canvas, palette, title, note)
    return canvas


def _rounded(size: Size, radius: int) -> Image.Image:
    mask = Image.new("L", size, 255)
    corner = Image.new("L", (radius * FINE, radius * FINE))
    ImageDraw.Draw(corner).ellipse((0, 0, 2 * radius * FINE, 2 * radius * FINE), fill=255)
    small = corner.reduce(FINE)
    for turns in range(4):
        right, bottom = turns in {2, 3}, turns in {1, 2}
        place = (size[0] - radius if right else 0, size[1] - radius if bottom else 0)
        mask.paste(small.rotate(90 * turns), place)
    return mask


def _throw_confetti(canvas: Image.Image, palette: Palette, chance: Random) -> None:
    """Scatter paper along the sides and the top edge: the middle is left to the face."""
    for number in range(96):
        piece = _piece(chance.choice(palette), chance)
        inwards, along = chance.random() ** 2 * 0.2, chance.random()
        if number % 4 == 0:
            x, y = along, inwards / 3
        else:
            x, y = inwards if number % 2 else 1 - inwards, along**1.5
        canvas.alpha_composite(piece, (int(x * (canvas.width - piece.width)), int(y * (canvas.height - piece.height))))


def _piece(colour: str, chance: Random) -> Image.Image:
    """Give one piece of confetti: a slip of paper, or now and then a dot, turned at random."""
    long, short = chance.randint(28, 52) * FINE, chance.randint(12, 20) * FINE
    paper = Image.new("RGBA", (long + 2 * FINE, long + 2 * FINE))
    brush = ImageDraw.Draw(paper)
    if chance.randrange(3) == 0:
        brush.ellipse((long // 4, long // 4, long * 3 // 4, long * 3 // 4), fill=colour)
    else:
        brush.rectangle((FINE, (long - short) // 2, long, (long + short) // 2), fill=colour)
    return paper.rotate(chance.uniform(0, 180), resample=Image.Resampling.BILINEAR).reduce(FINE)


def _pin_ticket(canvas: Image.Image, palette: Palette, title: str, note: str) -> None:
    """Put the filter's name on a ticket at the foot of the picture."""
    large, small = ImageFont.load_default(76), ImageFont.load_default(30)
    width = int(max(large.getlength(title), small.getlength(note))) + 96
    ticket = Image.new("RGBA", (width, 178), palette.dark)
    brush = ImageDraw.Draw(ticket)
    brush.rectangle((0, 0, 14, ticket.height), fill=palette.accent)
    brush.text((52, 70), title, font=large, fill=palette.light, anchor="lm")
    brush.text((54, 136), note, font=small, fill=palette.light, anchor="lm")
    ticket.putalpha(_rounded(ticket.size, 34))
    canvas.alpha_composite(ticket, (2 * BORDER, canvas.height - ticket.height - 2 * BORDER))
