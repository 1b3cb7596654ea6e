"""How many workers a machine should run, and how many threads each.

Two things are bounded by different ends. The paid calls, the looks and the webhooks wait for somebody else's machine:
what they need is threads. Reading, checking and storing pictures is work: measured, 15 ms of CPU for a job with small
pictures, 34 ms with one of 4 MB, and Python does one thing at a time in a process. So there is one worker process for
each core, all of them with all steps, and enough threads over all of them for every slot to sit in a held status call.

Why not some processes for the picture work alone: a third of a job's CPU is in finalize, so that on a few cores either
kind would stand idle while the other had a queue. On machines of their own it is different: see the guide.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from swapline_workers.celery_app import THREADS

_CGROUP = Path("/sys/fs/cgroup/cpu.max")
_MOST = 64
"""Workers at most: far above what one account's slots can use, and each has some 100 MB."""
_HELD = 1.25
"""Threads for each slot: one may sit in its status call, and a quarter more read pictures and send webhooks."""


@dataclass(frozen=True)
class Size:
    """Of the workers on one host."""

    workers: int
    threads: int
    """In each of them."""
    cores: int


def size(max_in_flight: int, *, workers: int | None = None, cores: int | None = None) -> Size:
    """Give the number of workers, and of threads in each, for so many slots."""
    usable = cores or cores_here()
    number = workers or min(usable, _MOST)
    return Size(number, max(THREADS, ceil(max_in_flight * _HELD / number)), usable)


def cores_here() -> int:
    """The cores that this program may use: fewer than the machine has where it was pinned, or is in a container."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(seen, quota(_CGROUP.read_text()) if _CGROUP.exists() else seen))


def quota(text: str) -> int:
    """Read a container's limit, `max 100000` or `150000 100000` (microseconds of each period): cores, rounded up."""
    allowed, _, period = text.strip().partition(" ")
    return _MOST if allowed == "max" else ceil(int(allowed) / int(period))
