"""Object storage: an object is written, read, listed and deleted."""

from __future__ import annotations

import hashlib
import secrets
import time
from itertools import islice
from typing import TYPE_CHECKING

from swapline_producer.errors import StorageError, WrongOwner
from swapline_producer.operations.doctor.findings import Finding, fail, ok, unchecked, warn
from swapline_producer.retention.orphans import PART, sample
from swapline_producer.storage.keys import AREAS, INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swapline_producer.storage import Storage

NAME = "storage"


def examine(
    url: str | None, open_storage: Callable[[str], Storage], is_ours: Callable[[Storage], None] = lambda _: None
) -> Iterator[Finding]:
    """Try all that jobs need; report the first failure. `is_ours` raises WrongOwner."""
    if url is None:
        why = "SWAPLINE_STORAGE_URL is not set"
        yield unchecked(NAME, why, "set it; only jobs whose pictures are all URLs can be enqueued without it")
        return
    storage = open_storage(url)
    data = secrets.token_bytes(1024)
    key = f"{INPUTS}/{hashlib.sha256(data).hexdigest()}"  # if it remains, the janitor finds it
    began = time.perf_counter()
    for what, attempt in (("write", _write), ("read", _read), ("delete", _delete)):
        try:
            attempt(storage, key, data)
        except StorageError as error:
            yield fail(NAME, f"{url}: it cannot {what}: {error}", ADVICE[what])
            return
    took = time.perf_counter() - began
    try:
        is_ours(storage)
    except WrongOwner as error:
        yield fail(NAME, f"{url}: {error}", "producers with this setting are refused, and workers do not start")
        return
    yield ok(NAME, f"{url}: written, read and deleted in {took * 1000:.0f} ms")
    yield from _odd_names(url, storage)


def _odd_names(url: str, storage: Storage) -> Iterator[Finding]:
    odd: list[str] = []
    try:
        for area in AREAS:
            for _ in islice(storage.list(area, odd=odd), PART):
                pass
    except StorageError as error:
        yield fail(
            NAME, f"{url}: it cannot list: {error}", "nothing that no job needs is found: docs/guides/storage.md"
        )
    if odd:
        what = f"{url}: names that can be no name of ours, and are passed over: {sample(odd)}"
        yield warn(NAME, what, "delete them, unless they are another program's: then give this one a path of its own")


ADVICE = {
    "write": "check that it exists and may be written to: docs/guides/storage.md; jobs wait in STORING meanwhile",
    "read": "the credentials may write and not read: docs/guides/storage.md names the permissions",
    "delete": "the credentials may not delete: pictures would be kept for ever; docs/guides/storage.md",
}


def _write(storage: Storage, key: str, data: bytes) -> None:
    storage.put(key, data, "application/octet-stream")


def _read(storage: Storage, key: str, data: bytes) -> None:
    if storage.get(key) != data:
        raise StorageError("what was read is not what was written")


def _delete(storage: Storage, key: str, _data: bytes) -> None:
    storage.delete([key])
    if storage.head(key) is not None:
        raise StorageError("the object is still there")
