"""The number of workers for a machine, and of threads in each.

Python uses one core a process; every slot may block a thread in a status call.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from swapline_workers.celery_app import THREADS

_CGROUP = Path("/sys/fs/cgroup/cpu.max")
_MAX_WORKERS = 64
"""Each takes about 100 MB."""
_THREADS_PER_SLOT = 1.25
"""One in a status call, a quarter for pictures and webhooks."""


@dataclass(frozen=True)
class Size:
    """Worker processes on one host."""

    workers: int
    threads: int
    cores: int


def size(max_in_flight: int, *, workers: int | None = None, cores: int | None = None) -> Size:
    """Return the size for `max_in_flight` slots."""
    usable = cores or usable_cores()
    number = workers or min(usable, _MAX_WORKERS)
    return Size(number, max(THREADS, ceil(max_in_flight * _THREADS_PER_SLOT / number)), usable)


def usable_cores() -> int:
    """Return the cores that affinity and a container's quota allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, quota(_CGROUP.read_text()) if _CGROUP.exists() else cores))


def quota(text: str) -> int:
    """Parse a cgroup's limit, `max 100000` or `150000 100000` (microseconds of a period), to cores."""
    allowed, _, period = text.strip().partition(" ")
    return _MAX_WORKERS if allowed == "max" else ceil(int(allowed) / int(period))
