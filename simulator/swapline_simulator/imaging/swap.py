"""A simple face swap: the photograph's face is laid over a filter's, eyes on eyes, in its colours, with a soft edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFilter, ImageStat

if TYPE_CHECKING:
    from swapline_simulator.imaging.drawing.brush import Point

Box = tuple[int, int, int, int]

WIDTH, HEIGHT, BELOW_EYES = 1.02, 1.22, 0.52
"""The ellipse laid over, in distances between the eyes: half its width and height, and how far its middle is below."""
FEATHER = 0.12
"""How soft its edge is, in the same unit."""
CHEEKS = (0.8, 0.38, 0.4)
"""The same of the part whose colours are compared: cheeks and nose, between brows and beard."""
CONTRAST = (0.95, 1.3)
"""How much the contrast of a colour band may change."""


class Eyes(NamedTuple):
    """The middles of two eyes, in pixels: the one at the left of the picture first."""

    left: Point
    right: Point


def swap_face(photograph: Image.Image, eyes: Eyes, target: Image.Image, target_eyes: Eyes) -> Image.Image:
    """Return the target picture with the photograph's face in the place of its own. The target's face is upright."""
    distance = target_eyes.right[0] - target_eyes.left[0]
    soft = FEATHER * distance
    wide, high = round(WIDTH * distance + 3 * soft), round(HEIGHT * distance + 3 * soft)
    middle = (round((target_eyes.left[0] + target_eyes.right[0]) / 2), round(target_eyes.left[1]))
    top = middle[1] + round(BELOW_EYES * distance) - high
    box = (middle[0] - wide, top, middle[0] + wide, top + 2 * high)
    whole = _ellipse(box, middle, distance, (WIDTH, HEIGHT, BELOW_EYES)).filter(ImageFilter.GaussianBlur(soft))
    cheeks = _ellipse(box, middle, distance, CHEEKS)
    face = _recoloured(_aligned(photograph, eyes, target_eyes, box), target.crop(box), cheeks)
    result = target.copy()
    result.paste(face, box[:2], whole)
    return result


def _ellipse(box: Box, middle: Point, distance: float, shape: tuple[float, float, float]) -> Image.Image:
    """Return a mask of the box: white inside of an ellipse below the middle of the eyes."""
    wide, high, below = (distance * value for value in shape)
    x, y = middle[0] - box[0], middle[1] - box[1] + below
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(mask).ellipse((x - wide, y - high, x + wide, y + high), fill=255)
    return mask


def _aligned(photograph: Image.Image, eyes: Eyes, target: Eyes, box: Box) -> Image.Image:
    """Return the box's part of the photograph, rotated, scaled and moved so that its eyes lie on the target's."""
    ours, theirs = complex(*eyes.right) - complex(*eyes.left), complex(*target.right) - complex(*target.left)
    factor, origin = ours / theirs, complex(*eyes.left)
    shrink = max(1, int(abs(factor)))
    if shrink > 1:  # else thin lines of a large photograph would be lost
        photograph, factor, origin = photograph.reduce(shrink), factor / shrink, origin / shrink
    start = origin + factor * (complex(*box[:2]) - complex(*target.left))
    matrix = (factor.real, -factor.imag, start.real, factor.imag, factor.real, start.imag)
    size = (box[2] - box[0], box[3] - box[1])
    return photograph.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def _recoloured(face: Image.Image, place: Image.Image, compared: Image.Image) -> Image.Image:
    """Give a face the mean colours and about the contrast of the place where it comes."""
    face = face.convert("YCbCr")
    ours, theirs = ImageStat.Stat(face, compared), ImageStat.Stat(place.convert("YCbCr"), compared)
    table: list[int] = []
    for mean, spread, wanted, wanted_spread in zip(ours.mean, ours.stddev, theirs.mean, theirs.stddev, strict=True):
        contrast = min(CONTRAST[1], max(CONTRAST[0], wanted_spread / max(spread, 1)))
        table += [round(min(255, max(0, (value - mean) * contrast + wanted))) for value in range(256)]
    return face.point(table).convert("RGB")
