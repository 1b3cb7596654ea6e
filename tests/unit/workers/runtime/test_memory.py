from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from swapline_workers.runtime.memory import share_one_arena

FIRST_OF_AN_ARENA = """
import ctypes, threading
from swapline_workers.runtime.memory import share_one_arena
share = {share}
if share: assert share_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
found, together = [], threading.Barrier(8)
def take():
    together.wait()
    found.append(libc.malloc(5000) >> 26)  # an arena of a thread is a piece of 64 MB, at a multiple of it
threads = [threading.Thread(target=take) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
print(len(set(found)))
"""

glibc_only = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="the knob is glibc's")


def arenas(*, share: bool) -> int:
    kept = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_OF_AN_ARENA.format(share=share)],
        env=kept,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(ran.stdout)


@glibc_only
def test_all_threads_take_memory_from_one_arena() -> None:
    assert arenas(share=True) == 1
    assert arenas(share=False) > 1


def test_an_administrators_word_about_arenas_goes_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    assert share_one_arena() is False
