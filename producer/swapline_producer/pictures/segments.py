"""The parts of JPEG, PNG and WebP files, and copies without some."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.client.inputs.picture_formats import MAX_PARTS
from swapline_producer.pictures.exif import Exif, read_exif
from swapline_producer.pictures.kinds import JPEG, PNG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SOS = b"\xda"
_JPEG_MARKER = re.compile(rb"\xff([\xc0-\xcf\xda-\xfe])")
_EXIF, _XMP, _XMP_MORE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_GPS_IN_XMP = re.compile(rb"GPSL(?:at|ong)itude|GPSCoordinates")
_NEEDED_BY_PIXELS = frozenset({b"\xe0", b"\xee"})
"""APP0, JFIF's; and APP14, Adobe's, which says how colours are coded."""
_WEBP_FLAGS = {b"EXIF": 0x08, b"XMP ": 0x04}
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"})


class Part(NamedTuple):
    """A segment of a JPEG (`kind`: its marker's second byte), or a chunk."""

    name: bytes
    start: int
    end: int
    body: bytes


def parts_of(data: bytes, kind: str) -> list[Part]:
    """Return a picture's parts, a JPEG's up to its first scan."""
    return (_jpeg if kind == JPEG else _png if kind == PNG else _webp)(data)


def is_exif(part: Part) -> bool:
    """Whether a part has EXIF data."""
    return part.name in {b"eXIf", b"EXIF"} or (part.name == b"\xe1" and part.body.startswith(_EXIF))


def is_xmp(part: Part) -> bool:
    """Whether a part has XMP."""
    if part.name == b"\xe1":
        return part.body.startswith((_XMP, _XMP_MORE))
    return part.name == b"XMP " or (part.name == b"iTXt" and part.body.startswith(b"XML:com.adobe.xmp\0"))


def is_manifest(part: Part) -> bool:
    """Whether a part has a C2PA manifest, valid for unchanged files only."""
    return part.name in {b"caBX", b"C2PA"} or (part.name == b"\xeb" and part.body.startswith(b"JP"))


def is_metadata(part: Part) -> bool:
    """Whether a part is neither a colour profile nor needed for decoding."""
    if part.name in _PNG_TEXTS or part.name in _WEBP_FLAGS or is_manifest(part):
        return True
    if len(part.name) > 1 or part.name in _NEEDED_BY_PIXELS:
        return False
    profile = part.name == b"\xe2" and part.body.startswith(b"ICC_PROFILE\0")
    return (b"\xe0" <= part.name <= b"\xef" and not profile) or part.name == b"\xfe"


def is_index(part: Part) -> bool:
    """Whether a part lists further pictures behind the first (MPO: CIPA DC-007)."""
    return part.name == b"\xe2" and part.body.startswith(b"MPF\0")


def tells_place(part: Part) -> bool:
    """Whether a part has the place where a picture was taken."""
    if is_exif(part):
        return exif_of([part]).has_gps
    if is_xmp(part):
        return _GPS_IN_XMP.search(part.body) is not None
    return part.name in {b"tEXt", b"zTXt"} and part.body.startswith(b"Raw profile type ")  # packed EXIF: cannot be seen


def exif_of(parts: Iterable[Part]) -> Exif:
    """Read the first EXIF data; a picture without has nothing known."""
    body = next((part.body for part in parts if is_exif(part)), None)
    return Exif() if body is None else read_exif(body.removeprefix(_EXIF))


def without(data: bytes, kind: str, cut: Callable[[Part], bool], end: int) -> bytes:
    """Return a picture without some parts, and what follows `end`."""
    gone = [part for part in parts_of(data, kind) if cut(part)]
    kept, at = [], 0
    for part in gone:
        kept.append(data[at : part.start])
        at = part.end
    copy = b"".join([*kept, data[at:end]])
    return copy if kind in {JPEG, PNG} else _webp_head(copy, gone)


def _jpeg(data: bytes) -> list[Part]:
    found: list[Part] = []
    at = 2
    while len(found) < MAX_PARTS and (marker := _JPEG_MARKER.search(data, at)) and marker[1] != SOS:
        body = marker.end() + 2
        at = marker.end() + int.from_bytes(data[marker.end() : body], "big")
        found.append(Part(marker[1], marker.start(), at, data[body:at]))
    return found


def _png(data: bytes) -> list[Part]:
    found: list[Part] = []
    at = 8
    while at < len(data) and (not found or found[-1].name != b"IEND"):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        body = b"" if name == b"IDAT" else data[at + 8 : end - 4]
        found.append(Part(name, at, end, body))
        at = end
    return found


def _webp(data: bytes) -> list[Part]:
    found: list[Part] = []
    at, end_of_file = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end_of_file:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = min(at + 8 + size + size % 2, end_of_file)
        body = b"" if name in {b"VP8 ", b"VP8L", b"ALPH"} else data[at + 8 : at + 8 + size]
        found.append(Part(name, at, end, body))
        at = end
    return found


def _webp_head(data: bytes, gone: Iterable[Part]) -> bytes:
    """Return a WebP with the length and flags of what is left (RFC 9649, 2.7)."""
    flags = data[20] if data[12:16] == b"VP8X" else 0
    for part in gone:
        flags &= ~_WEBP_FLAGS.get(part.name, 0)
    body = data[12:] if data[12:16] != b"VP8X" else data[12:20] + bytes([flags]) + data[21:]
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body
