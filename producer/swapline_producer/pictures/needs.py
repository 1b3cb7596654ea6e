"""What must change in a picture for the vendor, by its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.client.inputs.picture_formats import end_of
from swapline_producer.contract import Done, StripMetadata
from swapline_producer.pictures.exif import UPRIGHT
from swapline_producer.pictures.kinds import JPEG, PNG, WEBP
from swapline_producer.pictures.segments import exif_of, is_index, is_metadata, is_xmp, parts_of, tells_place, without

if TYPE_CHECKING:
    from swapline_producer.pictures.segments import Part

TAKEN_BY_VENDOR = (JPEG, PNG, WEBP)
_PLAIN_JPEG = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive: what every decoder reads (ITU-T T.81, B.1.1.3)."""
_CMYK = 4
_DEEP = 16
_ANIMATED = 0x02
_EOI = b"\xff\xd9"
_PADDING = b"\0 \t\r\n"
_FRAMES = frozenset(bytes([marker]) for marker in {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of frames, without tables and a reserved one."""


class Needs(NamedTuple):
    """`decoded`: what takes new pixels; `cut`: what can be left out."""

    decoded: tuple[Done, ...] = ()
    cut: tuple[Done, ...] = ()

    @property
    def all(self) -> tuple[Done, ...]:
        """All of it, for the job's record."""
        return (*self.decoded, *self.cut)


def needs_of(data: bytes, kind: str, strip: StripMetadata) -> Needs:
    """Return what must change of a whole picture, but for its size."""
    if kind not in TAKEN_BY_VENDOR:
        return Needs((Done.CONVERTED,))
    parts = parts_of(data, kind)
    decoded = [Done.UPRIGHT] if exif_of(parts).orientation != UPRIGHT else []
    decoded += _odd_pixels(data, kind, parts)
    return Needs(tuple(decoded), _cut(data, kind, parts, strip))


def cut(data: bytes, kind: str, strip: StripMetadata) -> bytes:
    """Return a picture without what `needs_of` says can be cut."""
    parts = parts_of(data, kind)
    gone = _gone(data, kind, parts, strip)
    return without(data, kind, lambda part: part in gone, end_of(data, kind))


def _odd_pixels(data: bytes, kind: str, parts: list[Part]) -> list[Done]:
    if kind == JPEG:
        frame = next((part for part in parts if part.name in _FRAMES), None)
        if frame is None:
            return []
        plain = frame.name[0] in _PLAIN_JPEG and frame.body[:1] == b"\x08"
        colours = frame.body[5:6] == bytes([_CMYK])
        return [Done.SRGB] if colours else [] if plain else [Done.COMPRESSED]
    if kind == PNG:
        return [Done.DEPTH] if data[24] == _DEEP else []
    return [Done.CONVERTED] if data[12:16] == b"VP8X" and data[20] & _ANIMATED else []


def _cut(data: bytes, kind: str, parts: list[Part], strip: StripMetadata) -> tuple[Done, ...]:
    gone = _gone(data, kind, parts, strip)
    found = {
        Done.PLACE_REMOVED: any(map(tells_place, gone)),
        Done.METADATA_REMOVED: any(not tells_place(part) for part in gone),
        Done.END_REMOVED: strip is not StripMetadata.OFF and _goes_on(data, kind, parts),
    }
    return tuple(done for done, needed in found.items() if needed)


def _gone(data: bytes, kind: str, parts: list[Part], strip: StripMetadata) -> list[Part]:
    """Return the parts to leave out: further pictures go with their index and XMP."""
    if strip is StripMetadata.OFF:
        return []
    if strip is StripMetadata.ALL:
        return [part for part in parts if is_metadata(part)]
    place = [part for part in parts if tells_place(part)]
    more = [part for part in parts if is_index(part) or is_xmp(part)] if _goes_on(data, kind, parts) else []
    return place + [part for part in more if part not in place]


def _goes_on(data: bytes, kind: str, parts: list[Part]) -> bool:
    """Whether more than padding follows the end: pictures or a film may have the place."""
    if kind == JPEG and data.endswith(_EOI) and not any(map(is_index, parts)):
        return False  # most files: the compressed data need not be walked
    return bool(data[end_of(data, kind) :].strip(_PADDING))
