"""Simulated clocks and threads in the place of real ones, in the modules whose code runs in fibres."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent  # type: ignore[import-untyped]  # it ships no types

from simulation.scheduler import Fibre
from swapline_workers.core import bulkhead, picture_memory
from swapline_workers.runtime import due_dispatcher
from swapline_workers.runtime.session import leases, outage, view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMED = (due_dispatcher, outage, view, picture_memory, bulkhead)
THREADED = (leases, outage)


class Room:
    """A semaphore whose waiting takes simulated time."""

    def __init__(self, places: int, sleep: Callable[[float], None]) -> None:
        self._places = self._free = places
        self._sleep = sleep

    def acquire(self, timeout: float) -> bool:
        if self._free == 0:
            self._sleep(timeout)
        if self._free == 0:
            return False
        self._free -= 1
        return True

    def release(self) -> None:
        assert self._free < self._places, "a place was freed twice"
        self._free += 1


def _monotonic() -> float:
    fibre = getcurrent()
    owner: Any = fibre.owner if isinstance(fibre, Fibre) else None
    return 0.0 if owner is None else float(owner.monotonic())


def _thread() -> int:
    return id(getcurrent())


@contextmanager
def simulated_clocks() -> Iterator[None]:
    """Have the pipeline's modules read simulated clocks, and take fibres for threads."""
    clock = SimpleNamespace(monotonic=_monotonic, sleep=None)
    threads = SimpleNamespace(get_ident=_thread, Lock=threading.Lock)
    kept = [(module, "time", module.__dict__["time"]) for module in TIMED]
    kept += [(module, "threading", module.__dict__["threading"]) for module in THREADED]
    for module, name, _ in kept:
        setattr(module, name, clock if name == "time" else threads)
    try:
        yield
    finally:
        for module, name, real in kept:
            setattr(module, name, real)
