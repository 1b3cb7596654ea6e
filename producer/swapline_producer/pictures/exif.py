"""Orientation and place in EXIF."""

from __future__ import annotations

import struct
from typing import NamedTuple

UPRIGHT = 1
_ORIENTATION, _GPS = 0x0112, 0x8825
_ORIENTATIONS = range(1, 9)
_ENTRY = 12
"""Bytes of a directory's entry (TIFF 6.0, section 2)."""


class Exif(NamedTuple):
    """Orientation (1 to 8; 1 is upright), and whether it has the place."""

    orientation: int = UPRIGHT
    has_gps: bool = False


def read_exif(tiff: bytes) -> Exif:
    """Read the first directory of EXIF data. Damaged data count as having the place."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return Exif(has_gps=True)
    try:
        [start] = struct.unpack_from(f"{order}I", tiff, 4)
        [number] = struct.unpack_from(f"{order}H", tiff, start)
        entries = [struct.unpack_from(f"{order}HHIH", tiff, start + 2 + n * _ENTRY) for n in range(number)]
    except struct.error:
        return Exif(has_gps=True)
    values = {tag: value for tag, _, _, value in entries}
    orientation = values.get(_ORIENTATION, UPRIGHT)
    return Exif(orientation if orientation in _ORIENTATIONS else UPRIGHT, _GPS in values)
