"""An upright sRGB JPEG of any picture, by Pillow and pillow-heif. For the child process only."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageCms, ImageOps

from swapline_producer.contract import Done
from swapline_producer.pictures.kinds import AVIF, HEIC, JPEG, PNG, TIFF, WEBP
from swapline_producer.pictures.upright import forget_xmp

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SOURCE_PIXELS = 100_000_000
"""Twice the largest usual telephone's; 300 MB as RGB."""
QUALITIES = (92, 88, 84, 78, 70)
"""JPEG qualities in order; below 70 fewer pixels look better."""
LARGE = 4_000_000
"""Pixels above which colours are converted by a table: below, loading numpy takes longer."""
SHRINK = 0.8
"""Factor of the sides after all qualities failed."""
PILLOW_FORMATS = {
    JPEG: ("JPEG", "MPO"),
    PNG: ("PNG",),
    WEBP: ("WEBP",),
    TIFF: ("TIFF",),
    AVIF: ("AVIF",),
    HEIC: ("HEIF",),
}
_REDUCED, _SUBFILE_TYPE, _DNG_VERSION = 1, 254, 50706
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I")
_TO_BYTE = 1 / 257
_SIXTEEN_BITS = 16

with suppress(ImportError):  # without it, there is no HEIC
    import pillow_heif

    pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None  # `open_picture` has a limit of its own


class Unreadable(ValueError):  # noqa: N818 -- it names the situation
    """The message continues a sentence about the picture."""


class Made(NamedTuple):
    """The JPEG, its size and the source's in pixels, and what was done."""

    data: bytes
    size: tuple[int, int]
    source_size: tuple[int, int]
    done: list[Done]


def make_jpeg(data: bytes, kind: str, max_side: int, max_bytes: int) -> Made:
    """Return an upright sRGB JPEG of at most `max_side` pixels a side and `max_bytes`.

    Raises Unreadable, and what Pillow raises.
    """
    with open_picture(data, kind) as opened:
        size = opened.size
        if kind == JPEG:  # of a HEIC, it might take the thumbnail that is in the file
            opened.draft(opened.mode, (max_side, max_side))
        if kind == HEIC:
            opened.load()
            opened.readonly = 0  # else saving copies all pixels: pillow-heif leaves the mark of a file that is mapped
        done = [] if kind == JPEG else [Done.CONVERTED]
        picture: Image.Image = opened
        if opened.getexif().get(0x0112, 1) != 1:
            ImageOps.exif_transpose(picture, in_place=True)
            done.append(Done.UPRIGHT)
        elif (opened.info.get("original_orientation") or 1) != 1:  # libheif has rotated it already
            done.append(Done.UPRIGHT)
        picture = _srgb(picture, done)
        if max(size) > max_side:
            picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
            done.append(Done.SCALED)
        made = next(made for made in _tries(picture) if len(made[0]) <= max_bytes)
        if made[1] != picture.size and Done.SCALED not in done:
            done.append(Done.SCALED)
        return Made(made[0], made[1], size, done or [Done.COMPRESSED])


def open_picture(data: bytes, kind: str) -> Image.Image:
    """Open a picture, its pixels still undecoded. Raises Unreadable."""
    picture = Image.open(BytesIO(data), formats=PILLOW_FORMATS[kind])
    width, height = picture.size
    if width * height > MAX_SOURCE_PIXELS:
        raise Unreadable(f"has {width}x{height} pixels, more than {MAX_SOURCE_PIXELS // 1_000_000} megapixels")
    tags = getattr(picture, "tag_v2", {})
    if tags.get(_SUBFILE_TYPE, 0) & _REDUCED or _DNG_VERSION in tags:  # Pillow would take a raw file's thumbnail
        raise Unreadable("is a camera's raw file")
    if kind == PNG:
        picture.load()  # XMP may lie behind the pixels
        _scale_transparent_colour(picture, depth=data[24])
    forget_xmp(picture)
    return picture


def _scale_transparent_colour(picture: Image.Image, *, depth: int) -> None:
    """Scale a PNG's transparent colour to 8 bits: Pillow 13 scales the pixels alone.

    One of 16 bits is forgotten: Pillow has lost what tells it from its neighbours.
    """
    if depth == _SIXTEEN_BITS:
        picture.info.pop("transparency", None)
    elif picture.mode == "L" and "transparency" in picture.info:
        picture.info["transparency"] *= 255 // ((1 << depth) - 1)


def _srgb(picture: Image.Image, done: list[Done]) -> Image.Image:
    """On white where the source is transparent."""
    profile = picture.info.get("icc_profile")
    if picture.mode in _DEEP_GREY:
        picture = picture.convert("I").point(lambda value: value * _TO_BYTE).convert("L")
        done.append(Done.DEPTH)
    elif picture.mode == "F":
        raise Unreadable("has floating-point samples")
    if picture.has_transparency_data:
        picture = _flattened(picture.convert("RGBA"))
        done.append(Done.FLATTENED)
    if picture.mode not in {"RGB", "CMYK", "L"}:
        picture = picture.convert("RGB")
    converted = _by_profile(picture, profile) if profile else None
    if converted is not None or picture.mode == "CMYK":
        done.append(Done.SRGB)
    if converted is not None:
        return converted
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert colours by their profile; None for sRGB, and for an unusable profile."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), picture.mode, "RGB")
        if picture.mode == "RGB" and picture.width * picture.height > LARGE and find_spec("numpy"):
            from swapline_producer.pictures.decoder.colours import convert_by_table  # noqa: PLC0415 -- numpy takes 0.1 s

            convert_by_table(picture, transform)
            return picture
        return ImageCms.applyTransform(picture, transform)
    except (ImageCms.PyCMSError, OSError):
        return None


def _flattened(picture: Image.Image) -> Image.Image:
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, (0, 0), picture)
    return white


def _tries(picture: Image.Image) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield JPEGs of falling quality, then the same of smaller sizes."""
    while True:
        for quality in QUALITIES:
            out = BytesIO()
            picture.save(out, "JPEG", quality=quality)
            yield out.getvalue(), picture.size
        width, height = (max(1, int(side * SHRINK)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
