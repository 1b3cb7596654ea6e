"""Folders below a root, kept open between uses.

Each part of a path is looked up below its parent without following links. An open folder is used again only if its
name still leads to it.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from swapline_producer.storage.local.file_system import keeps_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY
BELOW = FOLDER | os.O_NOFOLLOW
_MODE = 0o700  # see atomic_files.py

KEPT = 32
"""Folders: areas, days of a few tenants, the last dozen of jobs."""


class Folder:
    """An open folder, closed with its last reference: no descriptor is reused before."""

    __slots__ = ("_identity", "descriptor", "in_order", "new_in")

    def __init__(self, descriptor: int, *, above: Folder | None = None) -> None:
        """`above`: the folder in which it was found."""
        self.descriptor = descriptor
        found = os.fstat(descriptor)
        self._identity = (found.st_dev, found.st_ino)
        self.new_in: Folder | None = None
        """Folder to flush as well, for this one's name."""
        same = above is not None and above.device == self.device
        self.in_order: bool = above.in_order if above and same else keeps_order(self.device)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        """Close it. `close` is bound here because the module may be gone at exit."""
        close(self.descriptor)

    @property
    def device(self) -> int:
        """The file system that it is on."""
        return self._identity[0]

    def is_what(self, found: os.stat_result) -> bool:
        """Whether that is this very folder."""
        return self._identity == (found.st_dev, found.st_ino)

    def leads_to(self, folder: Folder, name: str) -> bool:
        """Whether that name here is the other folder. Raises FileNotFoundError."""
        return folder.is_what(os.stat(name, dir_fd=self.descriptor, follow_symlinks=False))

    def names(self) -> set[str]:
        """Return what is in it."""
        return set(os.listdir(self.descriptor))  # noqa: PTH208 -- a descriptor is no path

    def flush(self) -> None:
        """Have its names on the disk, and its own where new."""
        os.fsync(self.descriptor)
        above = self.new_in
        if above is not None:
            if not self.in_order:
                above.flush()
            self.new_in = None


class Folders:
    """Opens folders by their path below the root (`a/b`). Thread-safe."""

    def __init__(self, root: Path) -> None:
        """Open nothing yet."""
        self._root = root
        self._kept: dict[str, Folder] = {}
        self._lock = threading.Lock()

    def open(self, path: str, *, make: bool = False) -> Folder:
        """Open a folder; `make` creates its path. Raises OSError."""
        if not path:
            return self._open_root(make=make)
        above, _, name = path.rpartition("/")
        return self.open_in(self.open(above, make=make), path, name, make=make)

    def open_in(self, parent: Folder, path: str, name: str, *, make: bool) -> Folder:
        """Open a folder below its open parent."""
        kept = self._kept.get(path)
        if kept is not None:
            with suppress(FileNotFoundError):
                if parent.leads_to(kept, name):
                    return kept
        return self.keep(path, (_made_below if make else _below)(parent, name))

    def keep(self, path: str, folder: Folder) -> Folder:
        """Keep a folder open, and the oldest one no longer."""
        with self._lock:
            self._kept[path] = folder
            if len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return folder

    def _open_root(self, *, make: bool) -> Folder:
        """Open the root, which alone may be a link, or be replaced."""
        kept = self._kept.get("")
        try:
            found = self._root.stat()
        except FileNotFoundError:
            if not make:
                raise
            _make_root(self._root)
        else:
            if kept is not None and kept.is_what(found):
                return kept
        return self.keep("", Folder(os.open(self._root, FOLDER)))


def _below(parent: Folder, name: str) -> Folder:
    return Folder(os.open(name, BELOW, dir_fd=parent.descriptor), above=parent)


def _made_below(parent: Folder, name: str) -> Folder:
    try:
        return _below(parent, name)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, _MODE, dir_fd=parent.descriptor)
    made = _below(parent, name)
    made.new_in = parent
    return made


def _make_root(root: Path) -> None:
    root.mkdir(mode=_MODE, parents=True, exist_ok=True)
    parent = os.open(root.parent, FOLDER)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
