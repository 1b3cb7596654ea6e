"""Files in an open folder that are whole or not there."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from swapline_producer.storage.base import TEMPORARY
from swapline_producer.storage.local.file_system import reserve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_producer.storage.local.folders import Folder

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a fifo in the folder must not block its reader
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_MODE = 0o600  # faces are for the user whom producers and workers run as

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})
"""Of file systems without hard links (exFAT, some network shares)."""

TAKEN = -1
"""Another process took the name between check and write."""


def write(folder: Folder, name: str, data: bytes) -> None:
    """Write a temporary file, then rename it."""
    with _temporary(folder, data) as temporary:
        os.rename(temporary, name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
    folder.flush()


def write_once(folder: Folder, name: str, data: bytes) -> int | None:
    """Write unless the name is taken; return None, else the size of what has it, or TAKEN."""
    size = size_of(folder, name)
    if size is not None:
        return size
    with _temporary(folder, data) as temporary:
        if not _link(temporary, name, folder):
            return TAKEN
    folder.flush()
    return None


def size_of(folder: Folder, name: str) -> int | None:
    """Return the size of a file, or None."""
    try:
        found = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def read(folder: Folder, name: str) -> bytes:
    """Read a file. Raises OSError; FileNotFoundError where it is something else."""
    file = os.open(name, _READ, dir_fd=folder.descriptor)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(errno.ENOENT, "a folder or a special file is no object")
        data = os.read(file, found.st_size)  # whole at once, if it is not gigabytes
        return data if len(data) == found.st_size else data + _rest(file)
    finally:
        os.close(file)


def remove(name: str, folder: Folder) -> None:
    """Remove a file if there is one."""
    with suppress(OSError):  # what cannot be removed now is the janitor's
        os.unlink(name, dir_fd=folder.descriptor)


@contextmanager
def _temporary(folder: Folder, data: bytes) -> Iterator[str]:
    """Yield the name of a written temporary file; remove it unless renamed."""
    name = f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        _fill(os.open(name, _CREATE, _MODE, dir_fd=folder.descriptor), data)
        yield name
    except BaseException:
        remove(name, folder)
        raise


def _fill(file: int, data: bytes) -> None:
    try:
        reserve(file, len(data))
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def _link(temporary: str, name: str, folder: Folder) -> bool:
    """Give a file its name unless that is taken, in one step if there are hard links."""
    there = folder.descriptor
    try:
        os.link(temporary, name, src_dir_fd=there, dst_dir_fd=there, follow_symlinks=False)
    except FileExistsError:
        os.unlink(temporary, dir_fd=there)
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _renamed(temporary, name, folder)
    os.unlink(temporary, dir_fd=there)
    return True


def _renamed(temporary: str, name: str, folder: Folder) -> bool:
    if name in folder.names():
        os.unlink(temporary, dir_fd=folder.descriptor)
        return False
    os.rename(temporary, name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
    return True


def _rest(file: int) -> bytes:
    with os.fdopen(file, "rb", closefd=False) as whole:
        return whole.read()
