"""The data folder of `swapline up`, and the passwords that are made in it.

lock       held while anything of an `up` runs, also after its own death by force
env        SWAPLINE_REDIS_URL and SWAPLINE_STORAGE_URL for commands in other terminals, mode 0600
secrets/   one password for each page, made once, mode 0600
redis/     the embedded server's data
store/     object storage, where no other is set
logs/      one log for each part, two files of 10 MB at most
run/       what parts show of themselves while they run
"""

from __future__ import annotations

import os
import secrets
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_workers.local.errors import FolderInUse, LocalError
from swapline_workers.local.folder import locked, sign, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENDING_WITHIN = 10.0
"""Seconds: what an `up` that was killed by force left behind is ended within five."""


@dataclass(frozen=True)
class UpFolder:
    """Where everything of one `up` lies."""

    root: Path

    @property
    def redis(self) -> Path:
        """The embedded server's data."""
        return self.root / "redis"

    @property
    def store(self) -> Path:
        """The object storage, where no other is set."""
        return self.root / "store"

    @property
    def env(self) -> Path:
        """Settings for other terminals."""
        return self.root / "env"

    def log(self, name: str) -> Path:
        """The log of one part."""
        return self.root / "logs" / f"{name}.log"

    def shown(self, name: str) -> Path:
        """What one part shows of itself while it runs."""
        return self.root / "run" / name

    def secret(self, name: str) -> Path:
        """The file that has one page's password."""
        return self.root / "secrets" / name

    def password(self, name: str) -> str:
        """Give a page's password, made at the first call for ever."""
        path = self.secret(name)
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(path, secrets.token_urlsafe(18) + "\n")  # 144 bits
        return path.read_text().strip()

    def write_env(self, settings: dict[str, str]) -> None:
        """Write the settings that other terminals need."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in settings.items()]
        write_private(self.env, "".join(lines))


@contextmanager
def occupied(folder: Path) -> Iterator[tuple[UpFolder, int]]:
    """Have a data folder for ourselves; gives it and the descriptor of its lock. Raises FolderInUse or LocalError.

    Where the last `up` was killed by force, its watchdog holds the lock until everything of it has ended: that is
    waited for.
    """
    root = folder.absolute()
    try:
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # that of `simulated` is the real vendor's folder
        root.mkdir(mode=0o700, exist_ok=True)
        for name in ("logs", "run"):
            (root / name).mkdir(exist_ok=True)
    except OSError as error:
        raise LocalError(
            f"The data folder {folder} cannot be made: {error.strerror}; choose another with --dir."
        ) from None
    try:
        with locked(root, within=1.0 if _runs(_owner(root)) else _ENDING_WITHIN) as lock:
            sign(lock, os.getpid())
            yield UpFolder(root), lock
    except PermissionError as error:
        raise LocalError(f"The data folder {folder} is not ours ({error}); choose another with --dir.") from None


def _owner(root: Path) -> int:
    try:
        return int((root / "lock").read_text())
    except (OSError, ValueError):
        return 0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0


__all__ = ["FolderInUse", "UpFolder", "occupied"]
