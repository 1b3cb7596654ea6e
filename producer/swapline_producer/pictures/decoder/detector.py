"""Faces in a picture, by dlib's frontal detector. For the child process only.

OpenCV 4's cascades saw faces in coins.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from swapline_producer.pictures.decoder.decode import open_picture

SIDES = (640, 1280)
"""Longer sides, in pixels, for detection; the second only where the first finds none.

Faces are seen from 80 pixels on.
"""


ENLARGED = 2.0
"""Most enlargement of a small picture."""
SURE = 0.3
"""Least score: real faces had 0.35 to 2.5, the one false one among 40 photographs 0.04."""


class Face(NamedTuple):
    """A box in pixels of the upright picture; it may cross the edge."""

    left: int
    top: int
    right: int
    bottom: int


def find_faces(data: bytes, kind: str) -> tuple[list[Face], tuple[int, int]]:
    """Return faces, the surest first, and the upright size in pixels.

    Raises Unreadable, and what Pillow raises.
    """
    with open_picture(data, kind) as opened:
        sideways = opened.getexif().get(0x0112, 1) >= 5  # noqa: PLR2004 -- from there on, sides are exchanged
        width, height = opened.size[::-1] if sideways else opened.size
        for side in SIDES:
            if found := _found(opened, side, max(width, height)):
                return found, (width, height)
    return [], (width, height)


def _found(opened: Image.Image, side: int, longer: int) -> list[Face]:
    opened.draft("L", (side, side))
    grey = ImageOps.exif_transpose(opened).convert("L")
    scale = min(side / max(grey.size), ENLARGED)
    if side == SIDES[0]:
        scale = min(scale, 1.0)
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    grey = grey.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    scale = longer / max(grey.size)
    boxes, _, _ = _detector().run(np.asarray(grey), 0, SURE)
    return [
        Face(*(round(edge * scale) for edge in (box.left(), box.top(), box.right(), box.bottom()))) for box in boxes
    ]


@cache
def _detector() -> Any:
    return import_module("dlib").get_frontal_face_detector()  # it has no types
