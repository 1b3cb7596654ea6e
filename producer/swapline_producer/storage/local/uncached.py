"""Large files, written past the page cache: they are not read here again, and caching is most of their cost.

4.1 MB take 0.7 ms of CPU so, flush and all, and 1.2 to 6 through the cache, which must find a thousand free pages (most
on a virtual machine whose host has to give it each of them). Where a file system refuses (tmpfs, some network shares),
what is left is written as always.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections import deque
from contextlib import suppress

LARGE = 1024 * 1024
"""Bytes from which on it pays: half a megabyte costs as much either way."""

BLOCK = 1024 * 1024
"""Bytes given to the disk at once: enough to keep it busy, and little enough for every thread to have its own."""

ALIGNED = 4096
"""Bytes: start, length and memory of such a write are multiples of it. No disk asks for longer ones."""

KEPT = 4
"""Blocks kept for the next files."""

_DIRECT: int = getattr(os, "O_DIRECT", 0)
"""0 where the system has no such thing (macOS)."""

_blocks: deque[mmap.mmap] = deque(maxlen=KEPT)


def write_all(file: int, data: bytes) -> None:
    """Write everything into a new, empty file, past the cache where that pays and can be had. Raises OSError."""
    rest = memoryview(data)
    if len(rest) >= LARGE and _past_the_cache(file, wanted=True):
        try:
            rest = rest[_write_blocks(file, rest) :]
        finally:
            _past_the_cache(file, wanted=False)
    while rest:
        rest = rest[os.write(file, rest) :]


def _past_the_cache(file: int, *, wanted: bool) -> bool:
    """Have a file written so, or not; whether it is."""
    if not _DIRECT:
        return False
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | _DIRECT if wanted else flags & ~_DIRECT)
    except OSError:
        return False
    return wanted


def _write_blocks(file: int, data: memoryview) -> int:
    """Write block by block; give how many bytes are written, all but where the file system takes no such block.

    The last block is filled up with zeros, and the file cut to its length: a half-written one never has it before.
    """
    block = _block()
    written = 0
    try:
        while written < len(data):
            length = min(BLOCK, len(data) - written)
            whole = -(-length // ALIGNED) * ALIGNED
            block[:length] = data[written : written + length]
            block[length:whole] = bytes(whole - length)
            with memoryview(block)[:whole] as aligned:
                if os.write(file, aligned) != whole:  # an almost full disk: writing the rest will fail
                    break
            written += length
        else:
            os.ftruncate(file, len(data))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        _blocks.append(block)
    os.lseek(file, written, os.SEEK_SET)
    return written


def _block() -> mmap.mmap:
    with suppress(IndexError):
        return _blocks.pop()
    return mmap.mmap(-1, BLOCK)
