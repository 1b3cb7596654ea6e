"""The filters' effects: eight styles in twelve palettes, so that 24 consecutive filters all differ.

A style takes an RGB picture and a palette and returns an RGB picture of the same size, in less than 100 ms of CPU at
1200 x 1800; some work is done at half size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import cos, pi
from typing import NamedTuple

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from swapline_simulator.rng import stream


class Palette(NamedTuple):
    """Four colours: shadows, middle, lights, and one that stands out from them."""

    dark: str
    mid: str
    light: str
    accent: str


PALETTES = (
    Palette("#1b1464", "#d6336c", "#ffe066", "#22d3ee"),
    Palette("#0b3d3a", "#12a594", "#fff3d6", "#ff6b4a"),
    Palette("#2b0f3a", "#8b3fd9", "#ffd9f0", "#ffb703"),
    Palette("#3b0d11", "#e4572e", "#ffefc1", "#2ec4b6"),
    Palette("#0a2342", "#2c7da0", "#e9f5db", "#ff9f1c"),
    Palette("#1f2421", "#4f9d69", "#f4ffd8", "#f72585"),
    Palette("#240046", "#f72585", "#caf0f8", "#ffd60a"),
    Palette("#3d1308", "#c8553d", "#f9dcc4", "#588b8b"),
    Palette("#03045e", "#0096c7", "#f1faee", "#ef476f"),
    Palette("#2d1e2f", "#b5838d", "#ffe5d9", "#3fc1c9"),
    Palette("#10002b", "#7b2cbf", "#c8ffbe", "#ff5d8f"),
    Palette("#331832", "#d1495b", "#edf6d6", "#00798c"),
)

Style = Callable[[Image.Image, Palette], Image.Image]


def duotone(picture: Image.Image, palette: Palette) -> Image.Image:
    """Shadows in one colour, lights in another."""
    return ImageOps.colorize(_grey(picture), palette.dark, palette.light, mid=palette.mid)


def poster(picture: Image.Image, palette: Palette) -> Image.Image:
    """Five flat tones, as on a printed poster."""
    dark, accent, mid, light = (
        ImageColor.getrgb(tone) for tone in (palette.dark, palette.accent, palette.mid, palette.light)
    )
    tones = (dark, accent, mid, tuple((one + other) // 2 for one, other in zip(mid, light, strict=True)), light)
    bands = [tones[value * len(tones) // 256] for value in range(256)]
    grey = _grey(picture)
    even = Image.blend(grey, ImageOps.equalize(grey), 0.5).filter(ImageFilter.BoxBlur(3))
    flat = Image.merge("RGB", [even.point([band[channel] for band in bands]) for channel in range(3)])
    return flat.filter(ImageFilter.SMOOTH)


def halftone(picture: Image.Image, palette: Palette) -> Image.Image:
    """Ink dots, large in the shadows and small in the lights, over a tint of the photograph."""
    dots = ImageChops.add(_grey(picture), _screen(picture.size), offset=-128)
    ink = dots.point([_steep(value) for value in range(256)])
    printed = ImageOps.colorize(ink, palette.dark, palette.light)
    return Image.blend(printed, duotone(picture, palette), 0.3)


def pop(picture: Image.Image, palette: Palette) -> Image.Image:
    """Four small prints of the same photograph, each in colours of its own."""
    width, height = picture.size
    quarter = picture.resize((width // 2, height // 2), Image.Resampling.BILINEAR)
    first = PALETTES.index(palette)
    sheet = Image.new("RGB", picture.size)
    for place in range(4):
        colours = PALETTES[(first + 2 * place) % len(PALETTES)]
        sheet.paste(poster(quarter, colours), (place % 2 * (width // 2), place // 2 * (height // 2)))
    return sheet


def neon(picture: Image.Image, palette: Palette) -> Image.Image:
    """Glowing outlines over the photograph at night."""
    lines = _outlines(picture)
    glow = ImageChops.add(lines, lines.filter(ImageFilter.BoxBlur(9)))
    light = ImageOps.colorize(glow, "#000000", palette.light, mid=palette.accent)
    night = ImageEnhance.Brightness(duotone(picture, palette)).enhance(0.45)
    return ImageChops.screen(night, light.resize(picture.size, Image.Resampling.BILINEAR))


def comic(picture: Image.Image, palette: Palette) -> Image.Image:
    """Strong flat colours inside ink lines, and a tint of dots."""
    half = _half(picture).filter(ImageFilter.BoxBlur(1))
    flat = ImageOps.posterize(ImageEnhance.Color(half).enhance(1.9), 3).filter(ImageFilter.SMOOTH_MORE)
    bright = ImageEnhance.Brightness(flat).enhance(1.15)
    lines = ImageOps.invert(_outlines(picture)).point([max(90, value) for value in range(256)])
    inked = ImageChops.multiply(bright, Image.merge("RGB", [lines] * 3))
    drawn = inked.resize(picture.size, Image.Resampling.BICUBIC)
    return Image.blend(drawn, halftone(picture, palette), 0.2)


def vintage(picture: Image.Image, palette: Palette) -> Image.Image:
    """A faded print with dark corners and a light leak."""
    faded = Image.blend(ImageOps.colorize(_grey(picture), "#2a1a10", "#fff1d6", mid="#a9794f"), picture, 0.35)
    corners = Image.radial_gradient("L").point([max(40, 255 - max(0, value - 90) * 2) for value in range(256)])
    leak = Image.linear_gradient("L").rotate(90).point([value * value // 400 for value in range(256)])
    shaded = ImageChops.multiply(faded, Image.merge("RGB", [corners.resize(picture.size)] * 3))
    return ImageChops.screen(shaded, ImageOps.colorize(leak.resize(picture.size), "#000000", palette.accent))


def festival(picture: Image.Image, palette: Palette) -> Image.Image:
    """The photograph in full colour, among lights out of focus."""
    small = tuple(side // 4 for side in picture.size)
    lights = Image.new("RGB", (small[0], small[1]))
    brush = ImageDraw.Draw(lights)
    rng = stream(PALETTES.index(palette), "festival")
    for number in range(46):
        radius = rng.uniform(0.02, 0.07) * small[0]
        # Three quarters of the lights are at the sides, clear of the face.
        x = rng.choice((rng.uniform(0, 0.22), rng.uniform(0.78, 1))) if number % 4 else rng.random()
        y = rng.random() if number % 4 else rng.choice((rng.uniform(0, 0.12), rng.uniform(0.75, 1)))
        centre = (x * small[0], y * small[1])
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        brush.ellipse(box, fill=(palette.accent, palette.mid, palette.light)[number % 3])
    soft = lights.filter(ImageFilter.GaussianBlur(1.2)).resize(picture.size, Image.Resampling.BICUBIC)
    vivid = ImageEnhance.Contrast(ImageEnhance.Color(picture).enhance(1.5)).enhance(1.1)
    return ImageChops.screen(vivid, ImageEnhance.Brightness(soft).enhance(0.75))


STYLES: tuple[Style, ...] = (duotone, festival, poster, neon, halftone, comic, pop, vintage)


def style_of(number: int) -> tuple[Style, Palette]:
    """Return the style and the palette of a filter."""
    return STYLES[number % len(STYLES)], PALETTES[number % len(PALETTES)]


def _grey(picture: Image.Image) -> Image.Image:
    """Return the lightness of a picture, stretched to the full range except the extreme hundredth."""
    return ImageOps.autocontrast(picture.convert("L"), cutoff=1)


def _half(picture: Image.Image) -> Image.Image:
    return picture.reduce(2)


def _outlines(picture: Image.Image) -> Image.Image:
    """Return white lines on black where the picture changes, at half size."""
    smooth = _half(picture).convert("L").filter(ImageFilter.BoxBlur(2))
    edges = ImageChops.difference(smooth, smooth.filter(ImageFilter.BoxBlur(3)))
    return edges.point([min(255, max(0, value - 6) * 11) for value in range(256)])


DOTS = 86
"""Ink dots across a picture: visible at a quarter of its size."""


def _steep(value: int) -> int:
    """Map grey to ink or paper, with a soft edge."""
    return min(255, max(0, (value - 128) * 5 + 128))


@lru_cache(maxsize=6)  # one for each ratio, full and small
def _screen(size: tuple[int, int]) -> Image.Image:
    """Return a pattern of bumps on a diagonal grid, as large as a picture."""
    period = 2 * max(3, size[0] // DOTS)
    group = [cos(2 * pi * step / period) for step in range(period)]
    cell = Image.frombytes("L", (period, period), bytes(int(128 + 110 * x * y) for y in group for x in group))
    return tiled(cell, size)


def tiled(cell: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture of this size, filled with copies of a cell."""
    cover = Image.new(cell.mode, size)
    for left in range(0, size[0], cell.width):
        for top in range(0, size[1], cell.height):
            cover.paste(cell, (left, top))
    return cover
