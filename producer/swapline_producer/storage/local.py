"""Object storage in a local folder: what is there is whole, and what was written is still there after a power cut.

A write goes to a temporary file beside its place, is flushed to the disk, gets its name in one step, and then the
folder is flushed. Every part of a key is opened below its parent without following symbolic links, so no key and no
link below the root leads out of it, even if somebody changes folders meanwhile.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from swapline_producer.errors import ObjectMissing, StorageUnavailable
from swapline_producer.storage.base import LONGEST_URL_LIFE, TEMPORARY, StoredObject, checked_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_BELOW = _FOLDER | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a fifo in the folder must not block its reader
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_FILE_MODE = 0o666  # less the process's umask, like any file a program makes
_FOLDER_MODE = 0o777
_TRIES = 20
"""Of a write whose folder is pruned by a deletion between opening the folder and using it: a rare race, lost once."""

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})
"""How file systems without hard links (exFAT, some network shares) refuse one."""


class LocalStorage:
    """A folder as a store. The content type is not kept: a file has none."""

    def __init__(self, root: Path) -> None:
        """Keep the folder's absolute path; it is made with the first write."""
        self.root = root

    def put(self, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002 -- the protocol's shape
        """See `Storage.put`."""
        self._write(key, data, replace=True)

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:  # noqa: ARG002 -- the protocol's shape
        """See `Storage.put_once`."""
        for _ in range(_TRIES):
            size = self.head(key)
            if size is None and self._write(key, data, replace=False):
                return True
            if size == len(data):
                return False
            if size is not None:
                raise StorageUnavailable(f"{key} in {self.root} already holds something else; look, then delete it.")
        raise self._busy(key)

    def get(self, key: str) -> bytes:
        """See `Storage.get`."""
        with self._translated("read", key), self._folder(key) as (folder, name):
            file = os.open(name, _READ, dir_fd=folder)
            try:
                return _read(file)
            finally:
                os.close(file)

    def head(self, key: str) -> int | None:
        """See `Storage.head`."""
        try:
            with self._translated("read", key), self._folder(key) as (folder, name):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                return found.st_size if stat.S_ISREG(found.st_mode) else None
        except ObjectMissing:
            return None

    def copy(self, source: str, key: str) -> None:
        """See `Storage.copy`. A second name for the same bytes, which are on the disk already."""
        with self._translated("read", source), self._folder(source) as (there, name):
            if not stat.S_ISREG(os.stat(name, dir_fd=there, follow_symlinks=False).st_mode):
                raise FileNotFoundError(errno.ENOENT, "a folder or a special file is no object")
            if self._link_into(there, name, key):
                return
        self._write(key, self.get(source), replace=True)

    def delete(self, keys: Iterable[str]) -> None:
        """See `Storage.delete`. Folders that become empty go as well."""
        for key in keys:
            with suppress(ObjectMissing), self._translated("deleted", key):
                with suppress(IsADirectoryError), self._folder(key) as (folder, name):
                    os.unlink(name, dir_fd=folder)
                self._prune(key)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[StoredObject]:
        """See `Storage.list`. Half-written files are not shown. A folder's own files come before its folders."""
        prefix = prefix.strip("/")
        inside = f"{prefix}/any".lstrip("/")
        with (
            suppress(ObjectMissing),
            self._translated("listed", prefix or "everything"),
            self._folder(inside) as (top, _),
        ):
            for folder, folders, names, descriptor in os.fwalk(".", dir_fd=top, onerror=_raise_unless_gone):
                below = os.path.normpath(f"./{prefix}/{folder}")
                begin = after.split("/") if after else []
                folders[:] = sorted(name for name in folders if not _is_passed(below, name, begin))
                shown = (name for name in sorted(names) if _place_of(below, name) > _place_of_key(begin))
                yield from _objects(below, shown, descriptor)

    def abandoned(self, older_than: float) -> int:
        """See `Storage.abandoned`. Walks through the whole folder."""
        number, before = 0, time.time() - older_than
        with suppress(ObjectMissing), self._translated("tidied", "everything"), self._folder("any") as (top, _):
            for _, _, names, folder in os.fwalk(".", dir_fd=top, onerror=_raise_unless_gone):
                for name in names:
                    with suppress(FileNotFoundError):  # its writer is done with it, or somebody else tidies
                        if name.startswith(TEMPORARY) and os.stat(name, dir_fd=folder).st_mtime < before:
                            os.unlink(name, dir_fd=folder)
                            number += 1
        return number

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:  # noqa: ARG002 -- a file URL does not expire
        """See `Storage.url`."""
        return (self.root / checked_key(key)).as_uri()

    def _write(self, key: str, data: bytes, *, replace: bool) -> bool:
        """Write an object; False when its name is taken and must not be replaced."""
        with self._translated("written", key):
            for _ in range(_TRIES):
                with suppress(FileNotFoundError), self._folder(key, make=True) as (folder, name):
                    return _place(folder, name, data, replace=replace)
        raise self._busy(key)

    def _link_into(self, there: int, name: str, key: str) -> bool:
        """Link a file to its new place; False where the file system has no links."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError), self._folder(key, make=True) as (folder, final):
                os.stat(name, dir_fd=there, follow_symlinks=False)
                return _link_over(there, name, folder, final)
            os.stat(name, dir_fd=there, follow_symlinks=False)  # it is the source that is gone: say so
        raise self._busy(key)

    def _busy(self, key: str) -> StorageUnavailable:
        return StorageUnavailable(f"{key} in {self.root} is being deleted by somebody else again and again; try later.")

    @contextmanager
    def _folder(self, key: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder of a key, part by part; give its descriptor and the last part."""
        *parents, name = checked_key(key).split("/")
        if make:
            _make_root(self.root)
        folder = os.open(self.root, _FOLDER)
        try:
            for part in parents:
                below = _open_below(part, folder, make=make)
                os.close(folder)
                folder = below
            yield folder, name
        finally:
            os.close(folder)

    def _prune(self, key: str) -> None:
        """Remove the folders of a deleted object from the innermost outwards, as far as they are empty."""
        parents = key.split("/")[:-1]
        with suppress(OSError):  # ENOTEMPTY ends it: the folder is in use
            while parents:
                with self._folder("/".join(parents)) as (folder, name):
                    os.rmdir(name, dir_fd=folder)
                parents.pop()

    @contextmanager
    def _translated(self, done: str, key: str) -> Iterator[None]:
        """Turn what the file system raises into our own errors."""
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissing(f"There is no {key} in {self.root}.") from error
        except OSError as error:
            raise StorageUnavailable(
                f"{key} could not be {done} in {self.root} ({_reason(error)}); "
                "check the folder that SWAPLINE_STORAGE_URL names.",
            ) from error


def _place(folder: int, name: str, data: bytes, *, replace: bool) -> bool:
    """Write a file beside its place, then give it its name in one step; False when the name is taken."""
    temporary = f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        _fill(os.open(temporary, _CREATE, _FILE_MODE, dir_fd=folder), data)
        if not replace and not _link(temporary, name, folder):
            return False
        if replace:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)
    return True


def _link_over(there: int, name: str, folder: int, final: str) -> bool:
    """Give a file a second name, replacing what has that; False where the file system has no links."""
    temporary = f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        os.link(name, temporary, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINKS or error.errno == errno.EXDEV:
            return False
        raise
    try:
        os.rename(temporary, final, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(FileNotFoundError):  # a rename onto a link to the same file leaves both
            os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)
    return True


def _open_below(part: str, folder: int, *, make: bool) -> int:
    """Open a folder below another; mostly it is there."""
    try:
        return os.open(part, _BELOW, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    _make(part, folder)
    return os.open(part, _BELOW, dir_fd=folder)


def _fill(file: int, data: bytes) -> None:
    with os.fdopen(file, "wb", buffering=0) as out:
        rest = memoryview(data)
        while rest:
            rest = rest[out.write(rest) or 0 :]
        os.fsync(file)


def _link(temporary: str, name: str, folder: int) -> bool:
    """Give the file its name unless that is taken, in one step where the file system has hard links."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if name in os.listdir(folder):
            return False
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    return True


def _read(file: int) -> bytes:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise FileNotFoundError(errno.ENOENT, "a folder or a special file is no object")
    with os.fdopen(file, "rb", closefd=False) as whole:
        return whole.read()


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
    """Where a file stands in the order: a folder's files come before the folders in it."""
    *folders, last = _parts(below, name)
    return [*((True, part) for part in folders), (False, last)]


def _place_of_key(parts: list[str]) -> list[tuple[bool, str]]:
    return _place_of("/".join(parts[:-1]) or ".", parts[-1]) if parts else []


def _is_passed(below: str, name: str, after: list[str]) -> bool:
    """Whether everything in a folder stands before a key, so that it need not be opened."""
    folder = [(True, part) for part in _parts(below, name)]
    return folder < _place_of_key(after)[: len(folder)]


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _make_root(root: Path) -> None:
    if not root.exists():
        root.mkdir(parents=True, exist_ok=True)
        parent = os.open(root.parent, _FOLDER)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def _make(part: str, folder: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(part, _FOLDER_MODE, dir_fd=folder)
        os.fsync(folder)  # the new name, too, must outlive a power cut


def _reason(error: OSError) -> str:
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "a file or a symbolic link lies where a folder belongs; links are not followed"
    return error.strerror or str(error)
