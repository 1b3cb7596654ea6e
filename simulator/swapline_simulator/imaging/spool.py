"""Pictures in a file without a name instead of memory: the file goes with the process, however it ends."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections import deque

FOLDER = "/var/tmp"  # noqa: S108 -- a file without a name cannot be opened by others
"""On a disk by convention. Where it cannot be written, the usual folder is taken, which may be memory."""


class File:
    """An open file without a name, closed once no spool and no blob refers to it."""

    def __init__(self) -> None:
        """Make it."""
        with tempfile.TemporaryFile(dir=FOLDER if os.access(FOLDER, os.W_OK) else None) as opened:
            self.number = os.dup(opened.fileno())
        weakref.finalize(self, os.close, self.number)


class Blob:
    """Some bytes in a file. Their place is reused once the blob is gone."""

    __slots__ = ("__weakref__", "_at", "_file", "_length")

    def __init__(self, file: File, at: int, length: int) -> None:
        """Refer to bytes in a file, and keep it open."""
        self._file, self._at, self._length = file, at, length

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self._length

    def read(self) -> bytes:
        """Return the bytes."""
        data = os.pread(self._file.number, self._length, self._at)
        while len(data) < self._length:  # a read of gigabytes, or one that a signal cut
            data += os.pread(self._file.number, self._length - len(data), self._at + len(data))
        return data


class InMemory(bytes):
    """The same in memory, where the disk is full."""

    def read(self) -> bytes:
        """Return the bytes."""
        return self


class Spool:
    """Keeps blobs in one file, and reuses the places of those that are gone. For any number of threads."""

    def __init__(self) -> None:
        """Open the file."""
        self._file = File()
        self._end = 0
        self._free: list[tuple[int, int]] = []
        """Places (offset, bytes) before the end that no blob has, in order."""
        self._released: deque[tuple[int, int]] = deque()
        """Places of blobs that are gone, in any order: a blob may go at any moment, in any thread."""
        self._lock = threading.Lock()

    def put(self, data: bytes) -> Blob | InMemory:
        """Store bytes; where the disk is full, they stay in memory."""
        with self._lock:
            at = self._allocate(len(data))
        blob = Blob(self._file, at, len(data))
        weakref.finalize(blob, self._released.append, (at, len(data))).atexit = False
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._file.number, memoryview(data)[written:], at + written)
        except OSError:
            return InMemory(data)
        return blob

    @property
    def size(self) -> int:
        """Bytes of the file, free places between blobs included."""
        with self._lock:
            self._reclaim()
            return self._end

    def _allocate(self, length: int) -> int:
        self._reclaim()
        for number, (at, size) in enumerate(self._free):
            if size >= length:
                self._free[number : number + 1] = [(at + length, size - length)] if size > length else []
                return at
        at, self._end = self._end, self._end + length
        return at

    def _reclaim(self) -> None:
        """Join released places with those beside them; what is free at the end is cut off the file."""
        places = list(self._free)
        while self._released:
            places.append(self._released.popleft())
        self._free = []
        for at, size in sorted(places):
            if self._free and sum(self._free[-1]) == at:
                self._free[-1] = (self._free[-1][0], self._free[-1][1] + size)
            else:
                self._free.append((at, size))
        if self._free and sum(self._free[-1]) == self._end:
            self._end = self._free.pop()[0]
            os.ftruncate(self._file.number, self._end)
