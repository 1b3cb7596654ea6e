"""Picture formats by their first bytes."""

from __future__ import annotations

from swapline_producer.client.inputs.picture_formats import media_type

HEIC, AVIF, TIFF = "image/heic", "image/avif", "image/tiff"
JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""TIFF and BigTIFF, each in both orders of bytes."""
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_MOST_BRANDS = 64


def source_kind(data: bytes) -> str | None:
    """Return a picture's media type, or None."""
    if kind := media_type(data):
        return kind
    if data.startswith(_TIFF_STARTS):
        return TIFF
    brands = _brands(data)
    if brands & _AVIF_BRANDS:
        return AVIF
    return HEIC if brands & _HEIC_BRANDS else None


def _brands(data: bytes) -> set[bytes]:
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), len(data), 16 + 4 * _MOST_BRANDS)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}
