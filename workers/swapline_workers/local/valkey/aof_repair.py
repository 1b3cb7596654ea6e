"""Repair of the embedded server's append-only file, whose tail may be zeros after a power cut.

Valkey then refuses to start.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_workers.local.errors import LocalError
from swapline_workers.local.folder import folder_lock

if TYPE_CHECKING:
    from pathlib import Path

    Data = bytes | mmap.mmap

DATA_FOLDER = "appendonlydir"
_MANIFEST = "appendonly.aof.manifest"
_MAX_COUNT_LINE = 32
"""Bytes: 20 digits, a mark and a line break fit."""
_WRITE = re.compile(rb"\*\d+\r\n\$\d+\r\n")
"""Beginning of any write."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A file that was cut. Sizes in bytes."""

    file: Path
    copy: Path
    kept: int
    cut: int
    later_writes: bool
    """Whole writes behind the damage were cut off, too."""


def repair(folder: Path) -> Repair | None:
    """Cut the last append-only file behind its last whole write, after copying it.

    None where it is whole. Raises FolderInUse, LocalError.
    """
    if not (folder / DATA_FOLDER / _MANIFEST).is_file():
        raise LocalError(f"There are no data of an embedded server in {folder}; name its folder with --dir.")
    try:
        with folder_lock(folder):
            *complete, last = _files(folder / DATA_FOLDER)
            if damaged := [file.name for file in complete if not _Reading(file).is_whole]:
                raise LocalError(f"{damaged[0]} is damaged, and later files rest on it; put a backup back.")
            return _repair_file(last, folder)
    except OSError as error:
        raise LocalError(f"{folder} cannot be repaired: {error.strerror}.") from None


def end_of_writes(data: Data) -> tuple[int, int]:
    """Return the end of the last whole write, and where reading stopped."""
    at = end = 0
    in_transaction = False
    while (command := _read_command(data, at)) is not None:
        at, name = command
        in_transaction = name == b"MULTI" or (in_transaction and name != b"EXEC")
        if not in_transaction:
            end = at
    return end, at


class _Reading:
    """The size of an append-only file, and where its last whole write ends."""

    def __init__(self, file: Path) -> None:
        self.size = file.stat().st_size
        self.end, self.later_writes = 0, False
        if self.size == 0:
            return
        with file.open("rb") as opened, closing(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)) as data:
            self.end, stopped = end_of_writes(data)
            self.later_writes = _has_write(data, stopped + 1)

    @property
    def is_whole(self) -> bool:
        return self.end == self.size


def _files(data_folder: Path) -> list[Path]:
    """Return the files of writes, the server's last; the manifest has `file NAME seq N type b|h|i`."""
    lines = (data_folder / _MANIFEST).read_bytes().decode(errors="replace").splitlines()
    names = [words[1] for words in map(str.split, lines) if words[:1] == ["file"] and words[-1:] == ["i"]]
    if not names:
        raise LocalError(f"{data_folder / _MANIFEST} names no file to repair; put a backup back.")
    return [data_folder / name for name in names]


def _repair_file(file: Path, folder: Path) -> Repair | None:
    reading = _Reading(file)
    if reading.is_whole:
        return None
    copy = folder / f"{file.name}.{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.damaged"
    shutil.copyfile(file, copy)
    copy.chmod(0o600)
    with copy.open("rb+") as copied:
        os.fsync(copied.fileno())
    with file.open("rb+") as damaged:
        damaged.truncate(reading.end)
        os.fsync(damaged.fileno())
    return Repair(file, copy, reading.end, reading.size - reading.end, reading.later_writes)


def _has_write(data: Data, at: int) -> bool:
    # A function of its own: an iterator that is left unfinished keeps the file's memory from being unmapped.
    return any(_read_command(data, match.start()) for match in _WRITE.finditer(data, at))


def _read_command(data: Data, at: int) -> tuple[int, bytes] | None:
    """Return the end and name of the whole command (or comment) at a place, or None."""
    if data[at : at + 1] == b"#":
        line_end = data.find(b"\r\n", at)
        return None if line_end < 0 else (line_end + 2, b"")
    header = _read_count(data, at, b"*")
    if header is None or header[0] == 0:
        return None
    words, at = header
    name = None
    for _ in range(words):
        length = _read_count(data, at, b"$")
        if length is None:
            return None
        at = length[1] + length[0]
        if data[at : at + 2] != b"\r\n":
            return None
        name = data[length[1] : at].upper() if name is None else name
        at += 2
    return at, name or b""


def _read_count(data: Data, at: int, mark: bytes) -> tuple[int, int] | None:
    """Return the number in a line `*N` or `$N`, and where the line ends."""
    line_end = data.find(b"\r\n", at, at + _MAX_COUNT_LINE)
    digits = data[at + 1 : line_end]
    if line_end < 0 or data[at : at + 1] != mark or not digits.isdigit():
        return None
    return int(digits), line_end + 2
