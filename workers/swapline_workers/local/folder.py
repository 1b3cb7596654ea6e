"""Files of a local server: private files, and a lock that lasts as long as the server."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_workers.local.errors import FolderInUse, LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK_TIMEOUT_S = 1.0
"""A server's own child that rewrites its file outlives it by less."""


@contextmanager
def folder_lock(folder: Path, *, timeout_s: float = _LOCK_TIMEOUT_S) -> Iterator[int]:
    """Lock a folder; yield the descriptor for the server to inherit.

    The lock lasts as long as the server. Raises FolderInUse after `timeout_s`.
    """
    path = folder / "lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(lock, path, timeout_s)
        yield lock
    finally:
        os.close(lock)


def write_owner(lock: int, pid: int | None) -> None:
    """Write the owner's pid, for FolderInUse's message."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{pid}\n".encode(), 0)


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600, whole. Raises LocalError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise LocalError(f"{path} cannot be written: {error.strerror}.") from None


def lasting_secret(path: Path, size: int) -> str:
    """Return a file's secret, made of `size` random bytes if missing."""
    secret = path.read_text().strip() if path.exists() else ""
    if not secret:
        secret = secrets.token_urlsafe(size)
        write_private(path, secret + "\n")
    return secret


def display_path(path: Path) -> str:
    """Return the path relative to the current folder where shorter."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _wait_for_lock(lock: int, path: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not _try_lock(lock):
        if time.monotonic() > deadline:
            owner = path.read_text().strip() or "unknown"
            raise FolderInUse(
                f"The folder {path.parent} belongs to a server that is running (pid {owner}); "
                "stop that one, or choose another folder.",
            )
        time.sleep(0.01)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
