"""The data folder of `swapline up`.

lock         locked while any process of an `up` runs
env          settings for other terminals, mode 0600
secrets/     one password for each page, generated once, mode 0600
redis/       the embedded server's data
store/       object storage, unless another one is set
logs/        one log for each part, two files of 10 MB at most
run/         ready files and heartbeats
example.jpg  a photograph for a simulated vendor
"""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swapline_workers.local.errors import LocalError
from swapline_workers.local.folder import folder_lock, lasting_secret, write_owner, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_TIMEOUT_S = 1.0
_LOCK_TIMEOUT_AFTER_KILL_S = 10.0
"""A killed `up`'s watchdog ends its children within five."""


class UpFolder:
    """Paths of one `up`."""

    def __init__(self, root: Path) -> None:
        """Derive all paths from the data folder."""
        self.root = root
        self.redis = root / "redis"
        self.env = root / "env"

    def log(self, name: str) -> Path:
        """Return a part's log."""
        return self.root / "logs" / f"{name}.log"

    def run_file(self, name: str) -> Path:
        """Return a running part's file."""
        return self.root / "run" / name

    def secret(self, name: str) -> Path:
        """Return the file of a page's password."""
        return self.root / "secrets" / name

    def password(self, name: str) -> str:
        """Return a page's password, generated once."""
        path = self.secret(name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return lasting_secret(path, 18)  # 144 bits

    def example_photograph(self) -> Path:
        """Return a photograph to try a simulated vendor with."""
        from swapline_simulator import sample_photographs  # noqa: PLC0415 -- not needed for a real vendor

        path = self.root / "example.jpg"
        if not path.exists():
            path.write_bytes(sample_photographs()[0])
        return path

    def write_env(self, settings: dict[str, str]) -> None:
        """Write settings as shell assignments."""
        write_private(self.env, "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))


@contextmanager
def up_folder(folder: Path) -> Iterator[tuple[UpFolder, int]]:
    """Make and lock the data folder; yield it and the lock. Raises FolderInUse or LocalError.

    A killed `up`'s watchdog keeps the lock until all children have ended.
    """
    root = folder.absolute()
    try:
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the parent of `simulated` has the real data
        root.mkdir(mode=0o700, exist_ok=True)
        for name in ("logs", "run"):
            (root / name).mkdir(exist_ok=True)
    except OSError as error:
        raise LocalError(
            f"The data folder {folder} cannot be made: {error.strerror}; choose another with --dir."
        ) from None
    timeout_s = _LOCK_TIMEOUT_S if _is_running(_owner(root)) else _LOCK_TIMEOUT_AFTER_KILL_S
    try:
        with folder_lock(root, timeout_s=timeout_s) as lock:
            write_owner(lock, os.getpid())
            yield UpFolder(root), lock
    except PermissionError as error:
        raise LocalError(f"The data folder {folder} is not ours ({error}); choose another with --dir.") from None


def _owner(root: Path) -> int:
    try:
        return int((root / "lock").read_text())
    except (OSError, ValueError):
        return 0


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0
