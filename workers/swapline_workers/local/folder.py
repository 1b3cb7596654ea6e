"""A server's own folder: private files, and a lock that lasts exactly as long as the server."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swapline_workers.local.errors import FolderInUse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_WITHIN = 1.0
"""Seconds: a server's own child that was rewriting its file is gone a moment after the server."""


@contextmanager
def locked(folder: Path, *, within: float = _LOCK_WITHIN) -> Iterator[int]:
    """Lock a folder for a server to be, which inherits the descriptor; our copy goes at the end of the block.

    The lock is then the server's: it goes when the server does, however that happens, and not when we do.
    Raises FolderInUse when somebody else has had it for `within` seconds.
    """
    path = folder / "lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(lock, path, within)
        yield lock
    finally:
        os.close(lock)


def sign(lock: int, pid: int | None) -> None:
    """Write into the lock whose it is, for the sentence that somebody else will read."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{pid}\n".encode(), 0)


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, also where it was there before with another mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)


def _take(lock: int, path: Path, within: float) -> None:
    deadline = time.monotonic() + within
    while not _taken(lock):
        if time.monotonic() > deadline:
            owner = path.read_text().strip() or "unknown"
            raise FolderInUse(
                f"The folder {path.parent} belongs to a server that is running (pid {owner}); "
                "stop that one, or choose another folder.",
            )
        time.sleep(0.01)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
