"""Small pictures of what came in and what came out: bounded in bytes, in pixels, in number and in what is kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

if TYPE_CHECKING:
    from swapline_producer.storage import Storage

SIDE = 640
"""Pixels of the longer side: sharp beside another one on a wide screen, and 30 to 80 kB."""

QUALITY = 82
"""Of the JPEGs: what differs from the original nobody sees at this size."""

LARGEST = 32 * 1024 * 1024
"""Bytes of a picture that is opened: the vendor's PNGs have some 5 MB, inputs 7.5 MB at most."""

MAX_PIXELS = 50_000_000
"""Width times height: what producers accept. Decoded, it is 150 MB."""

AT_ONCE = 2
"""Pictures decoded at a time: bounds the memory, and leaves the processor to others."""

KEPT = 24 * 1024 * 1024
"""Bytes of small pictures that are kept: some 400."""

FORMATS = ("JPEG", "PNG", "WEBP")
"""What producers accept and the vendor sends. Pillow's other decoders are not asked."""


class NoThumbnail(Exception):  # noqa: N818 -- an answer, not a fault
    """There is no small picture of this object. Its text says why."""


class Thumbnails:
    """Makes small JPEGs of objects, upright and on white where they are transparent, and keeps the latest."""

    def __init__(self, storage: Storage) -> None:
        """Read from this store; nothing is connected before the first picture."""
        self._storage = storage
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def there(self, key: str) -> bool:
        """Whether the store has the object. Raises StorageUnavailable."""
        return key in self._kept or self._storage.head(key) is not None

    def of(self, key: str) -> bytes:
        """The small picture, a JPEG. Raises NoThumbnail, StorageUnavailable, ObjectMissing."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with self._room:
            small = reduced(self._read(key))
        self._keep(key, small)
        return small

    def _read(self, key: str) -> bytes:
        size = self._storage.head(key)
        if size is not None and size > LARGEST:
            raise NoThumbnail(f"it has {size:,} bytes, which is too large to be shown here")
        return self._storage.get(key)

    def _keep(self, key: str, small: bytes) -> None:
        with self._lock:
            self._bytes += len(small) - len(self._kept.pop(key, b""))
            self._kept[key] = small
            while self._bytes > KEPT:
                self._bytes -= len(self._kept.popitem(last=False)[1])


def reduced(data: bytes) -> bytes:
    """A JPEG of a picture, 640 pixels at most, without its metadata. Raises NoThumbnail."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise NoThumbnail(
                    f"it has {opened.width} by {opened.height} pixels, which is too large to be shown here"
                )
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded at a fraction of its size: four times faster
            opened.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NoThumbnail("it cannot be read as a JPEG, PNG or WebP picture") from error
    flat = Image.new("RGB", upright.size, "white")
    flat.paste(upright, mask=upright.getchannel("A"))
    out = BytesIO()
    flat.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
