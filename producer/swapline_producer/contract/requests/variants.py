"""Variants of a result: smaller, cropped or of another type, beside the vendor's picture.

print.jpg            a JPEG of the whole picture in its size
web.webp:1200        a WebP, its longer side 1200 pixels at most
thumb.jpg:320:80:1/1 a JPEG of quality 80, cropped to a square in its middle
"""

from __future__ import annotations

import re
from typing import NamedTuple, Self

QUALITY = 85
"""Of a variant that names none: the loss is not seen at usual sizes."""
MOST_VARIANTS = 8
"""Variants of one picture."""

_SPELLING = re.compile(
    r"([a-z0-9_-]{1,32})\.(jpg|webp)(?::([1-9][0-9]{1,4}))?(?::([1-9][0-9]?|100))?(?::([1-9][0-9]?)/([1-9][0-9]?))?"
)
_LARGEST_SIDE = 10_000
_TAKEN = frozenset({"original", "receipt"})


class Variant(NamedTuple):
    """`side`: longer side in pixels at most; None keeps the size. `ratio`: width/height of a crop."""

    name: str
    suffix: str
    side: int | None = None
    quality: int = QUALITY
    ratio: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a variant's spelling. Raises ValueError."""
        found = _SPELLING.fullmatch(text)
        if found is None or int(found[3] or 0) > _LARGEST_SIDE or found[1] in _TAKEN:
            raise ValueError("a variant is written NAME.jpg or NAME.webp, then :SIDE, :QUALITY and :WIDTH/HEIGHT")
        ratio = (int(found[5]), int(found[6])) if found[5] else None
        side, quality = int(found[3]) if found[3] else None, int(found[4] or QUALITY)
        return cls(found[1], found[2], side, quality, ratio)
