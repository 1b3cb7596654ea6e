"""What a file system can do, asked once: whether it keeps order, and whether it takes a file's length beforehand."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_IN_ORDER = frozenset({"ext4", "xfs"})
"""File systems with one journal that reaches the disk in order: a wait for one change is a wait for all before
it. So the flush of a new file covers its name, and that of the new folder it is in. (An ext4 that was made without its
journal may need a check after a power cut, and promises nothing before that.)"""

LARGE = 1024 * 1024
"""Bytes from which on a length is worth telling: 4.1 MB take 0.95 ms of CPU instead of 1.2, flush and all; below, the
call costs what it saves."""

_KEEP_SIZE = 0x01
"""FALLOC_FL_KEEP_SIZE: a file must not look as long as it will be while its bytes are still missing."""

_NOT_NOW = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EINTR})
"""Errors of file systems that reserve nothing (NFS 3, ZFS, FAT); after a signal it is not tried again."""


def keeps_order(device: int) -> bool:
    """Whether the file system on a device (`st_dev`) is known to keep order; False where that cannot be seen."""
    try:
        lines = MOUNTS.read_text(errors="replace").splitlines()
    except OSError:  # not Linux
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = {line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2:3] == [number]}
    return bool(kinds) and kinds <= _IN_ORDER


def reserve(file: int, length: int) -> None:
    """Say how long a new file will be, where it is long. Raises OSError, of a full disk before a byte is written.

    `os.posix_fallocate` would write a byte into each block where the file system cannot reserve: worse than nothing.
    """
    if length < LARGE or _fallocate is None:
        return
    if _fallocate(file, _KEEP_SIZE, 0, length) != 0 and (code := ctypes.get_errno()) not in _NOT_NOW:
        raise OSError(code, os.strerror(code))


def _from_libc() -> ctypes._NamedFuncPointer | None:
    """Give `fallocate` of the C library where there is one and its offsets are longs."""
    try:
        found = ctypes.CDLL(None, use_errno=True).fallocate
    except (OSError, AttributeError):  # not Linux
        return None
    found.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    return found if ctypes.sizeof(ctypes.c_long) == struct.calcsize("q") else None


_fallocate = _from_libc()
