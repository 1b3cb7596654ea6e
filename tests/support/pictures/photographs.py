"""Photographs for tests, as telephones and cameras write them: on their side, with a place, and in odd formats."""

from __future__ import annotations

import io
import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageDraw

SIZE = (96, 64)
GPS = {1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (16.0, 22.0, 0.0)}
"""Latitude and longitude, as EXIF has them."""
XMP_WITH_PLACE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,12.5N"/></rdf:RDF></x:xmpmeta>'
)

XMP_ON_ITS_SIDE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
"""XMP that says what EXIF says with orientation 6."""


def picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture whose upper left quarter is red, and all else blue: so positions can be checked."""
    made = Image.new("RGB", size, (30, 60, 200))
    ImageDraw.Draw(made).rectangle((0, 0, size[0] // 2, size[1] // 2), fill=(200, 40, 30))
    return made.convert(mode)


def exif(*, orientation: int = 1, gps: bool = False) -> Image.Exif:
    """EXIF data with these facts, and a camera's name."""
    made = Image.Exif()
    made[0x010F] = "Camera"
    if orientation != 1:
        made[0x0112] = orientation
    if gps:
        made.get_ifd(0x8825).update(GPS)
    return made


def saved(kind: str, made: Image.Image | None = None, **options: Any) -> bytes:
    """Encode a picture, by default the red and blue one."""
    if kind == "HEIF":
        heif()
    out = io.BytesIO()
    (made or picture()).save(out, kind, **options)
    return out.getvalue()


def heif() -> None:
    """Let Pillow write HEIC, or skip the test with a sentence."""
    extra("pillow_heif").register_heif_opener()


def extra(module: str) -> Any:
    """Import a module of the extra, or skip the test; nothing is skipped where everything is to be tested."""
    if find_spec(module) is None and "SWAPLINE_TEST_EVERYTHING" not in os.environ:
        pytest.skip(f"{module} is not installed: pip install 'swapline-producer[pictures]'")
    return import_module(module)


def corner(data: bytes) -> str:
    """Say in which corner a picture is red."""
    with Image.open(io.BytesIO(data)) as opened:
        rgb = opened.convert("RGB")
    width, height = rgb.size
    for name, x, y in (("top left", 1, 1), ("top right", 3, 1), ("bottom left", 1, 3), ("bottom right", 3, 3)):
        red, _, blue = rgb.getpixel((width * x // 4, height * y // 4))  # type: ignore[misc]
        if red > blue:
            return name
    return "nowhere"


def wide_gamut() -> bytes:
    """A colour profile that is not sRGB: sRGB's own with red and blue exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    number = int.from_bytes(profile[128:132], "big")
    at = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 136 + 12 * n for n in range(number)}
    red, blue = at[b"rXYZ"], at[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = profile[blue : blue + 4], profile[red : red + 4]
    return bytes(profile).replace("sRGB built-in".encode("utf-16-be"), "test profile!".encode("utf-16-be"))
