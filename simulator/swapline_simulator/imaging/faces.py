"""Where the eyes are: known for the samples, and found by dlib in other photographs where it is installed."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from swapline_simulator.imaging.drawing.people import EYES
from swapline_simulator.imaging.drawing.photographs import ASTRONAUT_EYES, sample_photographs
from swapline_simulator.imaging.drawing.portrait import SIDE
from swapline_simulator.imaging.swap import Eyes

if TYPE_CHECKING:
    from PIL import Image

SEARCHED = 640
"""Pixels of the longer side in which a face is looked for: it is seen from an eighth of that on."""
EYES_IN_BOX = ((0.27, 0.275), (0.7, 0.275))
"""Of the width and height of the detector's box: means of the samples."""


def drawn_eyes(side: int) -> Eyes:
    """Return the eyes of a drawn person, in a square picture."""
    left, right = ((x * side / 100, y * side / 100) for x, y in EYES)
    return Eyes(left, right)


def find_eyes(data: bytes, picture: Image.Image) -> Eyes | None:
    """Return the eyes of the surest face in a photograph, given as its file and decoded; None where none is found."""
    return _samples().get(sha256(data).digest()) or _detected(picture)


def detector_installed() -> bool:
    """Whether faces are found in photographs other than the samples."""
    return find_spec("dlib") is not None and find_spec("numpy") is not None


@cache
def _samples() -> dict[bytes, Eyes]:
    drawn = drawn_eyes(SIDE)
    places = (ASTRONAUT_EYES, drawn, drawn)
    return {sha256(data).digest(): eyes for data, eyes in zip(sample_photographs(), places, strict=True)}


def _detected(picture: Image.Image) -> Eyes | None:
    if not detector_installed():
        return None
    grey = picture.convert("L")
    grey.thumbnail((SEARCHED, SEARCHED))
    boxes = _detector()(import_module("numpy").asarray(grey), 0)
    if not boxes:
        return None
    box, scale = boxes[0], max(picture.size) / max(grey.size)
    left, right = (
        ((box.left() + x * box.width()) * scale, (box.top() + y * box.height()) * scale) for x, y in EYES_IN_BOX
    )
    return Eyes(left, right)


@cache
def _detector() -> Any:
    return import_module("dlib").get_frontal_face_detector()  # it has no types
