"""Turn a picture by its EXIF alone: Pillow also goes by an orientation in XMP; libvips, OpenCV and browsers do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import ImageOps

if TYPE_CHECKING:
    from PIL import Image

_XMP = ("xmp", "XML:com.adobe.xmp")
"""Where Pillow keeps it."""


def forget_xmp(picture: Image.Image) -> None:
    """Leave only EXIF to say how it is turned. In a PNG, XMP behind the pixels is known once they are loaded."""
    for name in _XMP:
        picture.info.pop(name, None)


def upright(picture: Image.Image) -> Image.Image:
    """Load a picture, and return it upright. Raises what Pillow raises."""
    picture.load()
    forget_xmp(picture)
    return ImageOps.exif_transpose(picture)
