"""Small pictures of inputs and results, bounded in bytes, pixels, concurrency and cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from swapline_producer.pictures.upright import upright

if TYPE_CHECKING:
    from swapline_producer.storage import Storage

SIDE = 640
"""Pixels of the longer side, 30 to 80 kB."""

QUALITY = 82
"""JPEG quality without a visible difference at this size."""

LARGEST = 32 * 1024 * 1024
"""Bytes: the vendor's PNGs have 5 MB, inputs 7.5."""

MAX_PIXELS = 50_000_000
"""Larger pictures are not shown: these take 150 MB when decoded."""

AT_ONCE = 2
"""Pictures decoded at once: bounds memory and CPU."""

CACHE_BYTES = 24 * 1024 * 1024
"""Some 400 small pictures."""

FORMATS = ("JPEG", "PNG", "WEBP")
"""Decoders of Pillow in use, instead of all."""


class NoThumbnail(Exception):  # noqa: N818 -- an answer, not a fault
    """The text says why."""


class Thumbnails:
    """Makes small upright JPEGs; caches the latest."""

    def __init__(self, storage: Storage) -> None:
        """Read from this store."""
        self._storage = storage
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def there(self, key: str) -> bool:
        """Whether the store has the object. Raises StorageUnavailable."""
        return key in self._cache or self._storage.head(key) is not None

    def of(self, key: str) -> bytes:
        """Return the small picture, a JPEG. Raises NoThumbnail, StorageUnavailable, ObjectMissing."""
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        with self._room:
            small = reduced(self._read(key))
        self._store(key, small)
        return small

    def _read(self, key: str) -> bytes:
        size = self._storage.head(key)
        if size is not None and size > LARGEST:
            raise NoThumbnail(f"it has {size:,} bytes, which is too large to be shown here")
        return self._storage.get(key)

    def _store(self, key: str, small: bytes) -> None:
        with self._lock:
            self._bytes += len(small) - len(self._cache.pop(key, b""))
            self._cache[key] = small
            while self._bytes > CACHE_BYTES:
                self._bytes -= len(self._cache.popitem(last=False)[1])


def reduced(data: bytes) -> bytes:
    """Return a JPEG of at most 640 pixels, without metadata. Raises NoThumbnail."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise NoThumbnail(
                    f"it has {opened.width} by {opened.height} pixels, which is too large to be shown here"
                )
            # With a gap, Pillow decodes a JPEG at a fraction of its size: four times faster.
            opened.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
            turned = upright(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NoThumbnail("it cannot be read as a JPEG, PNG or WebP picture") from error
    flat = Image.new("RGB", turned.size, "white")
    flat.paste(turned, mask=turned.getchannel("A"))
    out = BytesIO()
    flat.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
