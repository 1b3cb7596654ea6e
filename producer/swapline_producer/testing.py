"""Small honest parts for tests, ours and yours. Each passes the same conformance suite as the real thing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from swapline_producer.errors import ObjectMissing, StorageUnavailable
from swapline_producer.storage import LONGEST_URL_LIFE, Storage, StoredObject, checked_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def memory_storage() -> Storage:
    """Give a new, empty object store that lives in memory and may be used from several threads."""
    return _MemoryStorage()


class _MemoryStorage:
    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, int]] = {}
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002 -- the protocol's shape
        with self._lock:
            self._objects[checked_key(key)] = bytes(data), time.time_ns() // 1_000_000

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:  # noqa: ARG002 -- the protocol's shape
        with self._lock:
            new = bytes(data), time.time_ns() // 1_000_000
            there = self._objects.setdefault(checked_key(key), new)
        if len(there[0]) != len(data):
            raise StorageUnavailable(f"{key} in memory already holds something else; look, then delete it.")
        return there is new

    def get(self, key: str) -> bytes:
        try:
            return self._objects[checked_key(key)][0]
        except KeyError:
            raise ObjectMissing(f"There is no {key} in memory.") from None

    def head(self, key: str) -> int | None:
        found = self._objects.get(checked_key(key))
        return None if found is None else len(found[0])

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._objects.pop(checked_key(key), None)

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:  # noqa: ARG002 -- the protocol's shape
        return "memory:///" + quote(checked_key(key))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        below = checked_key(prefix.strip("/")) + "/" if prefix.strip("/") else ""
        for key, (data, modified_at) in sorted(self._objects.items()):
            if key.startswith(below):
                yield StoredObject(key, len(data), modified_at)
