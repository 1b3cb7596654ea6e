"""Object storage in a local folder: objects are whole, and survive a power cut.

A write flushes a temporary file, renames it, then flushes the folder and new ones above it.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from swapline_producer.errors import ObjectMissing, StorageUnavailable
from swapline_producer.storage.base import LONGEST_URL_LIFE, TEMPORARY, StoredObject, checked_key, is_key
from swapline_producer.storage.local import atomic_files
from swapline_producer.storage.local.folders import Folder, Folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, MutableSequence
    from pathlib import Path

T = TypeVar("T")

_TRIES = 20
"""Tries of a write whose folder a deletion prunes."""


class LocalStorage:
    """A folder as a store, without content types."""

    def __init__(self, root: Path, public_url: str | None = None) -> None:
        """The first write creates the folder. `public_url`: of a web server."""
        self.root = root
        self._public_url = public_url
        self._folders = Folders(root)

    def put(self, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002 -- the protocol's shape
        """See `Storage.put`."""
        self._write(key, data, atomic_files.write)

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:  # noqa: ARG002 -- the protocol's shape
        """See `Storage.put_once`."""
        for _ in range(_TRIES):
            size = self._write(key, data, atomic_files.write_once)
            if size is None:
                return True
            if size == len(data):
                return False
            if size != atomic_files.TAKEN:
                raise StorageUnavailable(f"{key} in {self.root} already holds something else; look, then delete it.")
        raise self._busy(key)

    def get(self, key: str) -> bytes:
        """See `Storage.get`."""
        with self._translated("read", key):
            where, name = _split(key)
            return atomic_files.read(self._folders.open(where), name)

    def head(self, key: str) -> int | None:
        """See `Storage.head`."""
        try:
            with self._translated("read", key):
                where, name = _split(key)
                return atomic_files.size_of(self._folders.open(where), name)
        except ObjectMissing:
            return None

    def delete(self, keys: Iterable[str]) -> None:
        """See `Storage.delete`. Emptied folders go as well."""
        emptied: dict[str, None] = {}
        try:
            for key in keys:
                where, name = _split(key)
                with self._translated("deleted", key), suppress(FileNotFoundError, IsADirectoryError):
                    folder = self._folders.open(where)
                    emptied[where] = None
                    os.unlink(name, dir_fd=folder.descriptor)
        finally:
            for where in emptied:
                self._prune(where)

    def list(
        self, prefix: str = "", *, after: str = "", odd: MutableSequence[str] | None = None
    ) -> Iterator[StoredObject]:
        """See `Storage.list`. A folder's files come before its folders."""
        prefix = prefix.strip("/")
        with suppress(ObjectMissing), self._translated("listed", prefix or "everything"):
            top = self._folders.open(checked_key(prefix) if prefix else "")
            for folder, folders, names, descriptor in os.fwalk(".", dir_fd=top.descriptor, onerror=_raise_unless_gone):
                below = os.path.normpath(f"./{prefix}/{folder}")
                begin = after.split("/") if after else []
                folders[:] = sorted(name for name in folders if not _is_passed(below, name, begin))
                shown = (name for name in sorted(names) if _place_of(below, name) > _place_of_key(begin))
                for found in _objects(below, shown, descriptor):
                    if is_key(found.key):
                        yield found
                    elif odd is not None:
                        odd.append(found.key)

    def abandoned(self, older_than: float) -> int:
        """See `Storage.abandoned`. Walks the whole folder."""
        number, before = 0, time.time() - older_than
        with suppress(ObjectMissing), self._translated("tidied", "everything"):
            top = self._folders.open("")
            for _, _, names, folder in os.fwalk(".", dir_fd=top.descriptor, onerror=_raise_unless_gone):
                for name in names:
                    with suppress(FileNotFoundError):  # its writer has renamed it, or another process deleted it
                        if name.startswith(TEMPORARY) and os.stat(name, dir_fd=folder).st_mtime < before:
                            os.unlink(name, dir_fd=folder)
                            number += 1
        return number

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:  # noqa: ARG002 -- a file URL does not expire
        """See `Storage.url`. Not signed: the web server admits readers."""
        if self._public_url is not None:
            return f"{self._public_url}/{quote(checked_key(key))}"
        return (self.root / checked_key(key)).as_uri()

    def _write(self, key: str, data: bytes, way: Callable[[Folder, str, bytes], T]) -> T:
        with self._translated("written", key):
            where, name = _split(key)
            for _ in range(_TRIES):
                with suppress(FileNotFoundError):
                    return way(self._folders.open(where, make=True), name, data)
        raise self._busy(key)

    def _busy(self, key: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"{key} in {self.root} is being deleted by another process again and again; try later."
        )

    def _prune(self, path: str) -> None:
        """Remove emptied folders, but for the areas: each job would flush them anew."""
        with suppress(OSError):  # ENOTEMPTY ends it: the folder is in use
            while "/" in path:
                path, _, name = path.rpartition("/")
                os.rmdir(name, dir_fd=self._folders.open(path).descriptor)

    @contextmanager
    def _translated(self, done: str, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissing(f"There is no {key} in {self.root}.") from error
        except OSError as error:
            raise StorageUnavailable(
                f"{key} could not be {done} in {self.root} ({_reason(error)}); "
                "check the folder that SWAPLINE_STORAGE_URL names.",
            ) from error


def _split(key: str) -> tuple[str, str]:
    where, _, name = checked_key(key).rpartition("/")
    return where, name


def _objects(below: str, names: Iterable[str], folder: int) -> Iterator[StoredObject]:
    for name in names:
        with suppress(FileNotFoundError):  # deleted while we walk
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and not name.startswith(TEMPORARY):
                key = name if below == "." else f"{below}/{name}"
                yield StoredObject(key, found.st_size, found.st_mtime_ns // 1_000_000)


def _parts(below: str, name: str) -> list[str]:
    return [name] if below == "." else [*below.split("/"), name]


def _place_of(below: str, name: str) -> list[tuple[bool, str]]:
    *folders, last = _parts(below, name)
    return [*((True, part) for part in folders), (False, last)]


def _place_of_key(parts: list[str]) -> list[tuple[bool, str]]:
    return _place_of("/".join(parts[:-1]) or ".", parts[-1]) if parts else []


def _is_passed(below: str, name: str, after: list[str]) -> bool:
    folder = [(True, part) for part in _parts(below, name)]
    return folder < _place_of_key(after)[: len(folder)]


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _reason(error: OSError) -> str:
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "a file or a symbolic link lies where a folder belongs; links are not followed"
    return error.strerror or str(error)
