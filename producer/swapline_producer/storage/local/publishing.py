"""How staged files become results: mostly by giving the folder that they are in its new name.

So a job makes one folder and deletes none: on ext4 a new file or folder takes 10 to 250 microseconds of CPU, the more
the more were deleted in the last minutes. What an earlier try has done already is found done, wherever it was cut off.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from swapline_producer.storage.local.atomic_files import flush, read, remove, size_of, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.storage.base import Move
    from swapline_producer.storage.local.folders import Folder, Folders

_IN_USE = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EXDEV})
"""How a folder's new name is refused that has files already, or lies on another file system."""


def publish(folders: Folders, source: str, to: str, moves: Sequence[Move]) -> tuple[Folder | None, bool]:
    """Move files from one folder to another; give that one, to be flushed, and whether the first one is gone.

    No folder where a file is missing or has another size. Raises FileNotFoundError where somebody changes the folders
    meanwhile: try again.
    """
    above, _, last = to.rpartition("/")
    home = folders.open(above, make=True)
    staged = _open_if_there(folders, source)
    if staged is not None and _moved_whole(folders, source, staged, home, last, moves):
        there, places = folders.keep(to, staged), []
    else:
        found = folders.open_in(home, to, last, make=True) if staged else _open_if_there(folders, to)
        if found is None:
            return None, True
        there, places = found, [staged] if staged else []
    there.new_in = home
    for move in moves:
        moved = any(_moved(place, move, there) for place in [*places, there])
        if not moved and size_of(there, move.final) != move.size:
            return None, not places
        if places:
            remove(move.name, there)  # a try that was cut off may have left it in its new folder under its old name
    return there, not places


def _open_if_there(folders: Folders, path: str) -> Folder | None:
    try:
        return folders.open(path)
    except FileNotFoundError:
        return None


def _moved_whole(folders: Folders, source: str, staged: Folder, home: Folder, last: str, moves: Sequence[Move]) -> bool:
    """Give a folder its new name; False where that has files of its own, or this one has others."""
    if staged.names() != {move.name for move in moves}:
        return False
    above, _, name = source.rpartition("/")
    try:
        os.rename(name, last, src_dir_fd=folders.open(above).descriptor, dst_dir_fd=home.descriptor)
    except OSError as error:
        if error.errno in _IN_USE:
            return False
        raise
    return home.leads_to(staged, last)


def _moved(place: Folder, move: Move, there: Folder) -> bool:
    """Give a file its final name; False where there is none of that name and size."""
    if size_of(place, move.name) != move.size:
        return False
    if place is not there:
        flush(place, move.name)  # it may be of somebody who is late, and still writes what is here already
    try:
        os.rename(move.name, move.final, src_dir_fd=place.descriptor, dst_dir_fd=there.descriptor)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write(there, move.final, read(place, move.name))
    return True
