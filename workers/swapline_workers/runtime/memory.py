"""How a worker takes memory from the system."""

from __future__ import annotations

import ctypes
import os
import sys

M_ARENA_MAX = -8
"""glibc's number for `MALLOC_ARENA_MAX`, from its malloc.h."""


def share_one_arena() -> bool:
    """Have all threads take memory from one place; True where the C library can be told so. Call before they start.

    glibc gives each thread an arena of its own, and each keeps what the largest picture in it took: sixteen threads
    that read results of 4.1 MB in turn kept 150 MB that way, and take 65 MB from one arena (`make bench-memory`). It
    costs no time that could be measured: Python's own lock keeps its threads apart anyway. An administrator's
    `MALLOC_ARENA_MAX` goes before ours; other C libraries do not know the word, and have no arenas to share.
    """
    return "MALLOC_ARENA_MAX" not in os.environ and _told("mallopt", M_ARENA_MAX, 1)


def return_free_memory() -> bool:
    """Give the system what loading left free between what stays, some 8 MB; True where there was some to give."""
    return _told("malloc_trim", 0)


def _told(word: str, *values: int) -> bool:
    try:
        return sys.platform == "linux" and bool(getattr(ctypes.CDLL(None), word)(*values))
    except AttributeError:
        return False
