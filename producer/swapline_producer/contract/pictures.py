"""What may be done to a picture before it is stored and paid for, and what was done."""

from __future__ import annotations

from enum import StrEnum

from swapline_producer.contract.base import Frozen


class Prepare(StrEnum):
    """Whether a picture that the vendor does not take well is made fit."""

    AUTO = "auto"
    """Make it fit; one that is fit keeps its bytes."""
    OFF = "off"
    """Send it as it is, or refuse it."""
    STRICT = "strict"
    """Refuse what would have to be changed."""


class StripMetadata(StrEnum):
    """What is left out of a picture that needs no decoding."""

    OFF = "off"
    GPS = "gps"
    """Where it was taken, and what follows the end of the picture."""
    ALL = "all"
    """All metadata but the colour profile."""


class Done(StrEnum):
    """What was done to a picture, in the order in which it is told."""

    CONVERTED = "converted to JPEG"
    UPRIGHT = "turned upright"
    SRGB = "colours converted to sRGB"
    DEPTH = "reduced to 8 bits"
    FLATTENED = "put on white"
    SCALED = "scaled down"
    COMPRESSED = "compressed again"
    PLACE_REMOVED = "place removed"
    METADATA_REMOVED = "metadata removed"
    END_REMOVED = "bytes after the end removed"


class PreparedFrom(Frozen):
    """The picture that was given, of which the stored one was made, and what was done to it."""

    media_type: str
    sha256: str
    size: int
    """Bytes."""
    width: int
    height: int
    done: tuple[Done, ...]
