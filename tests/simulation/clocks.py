"""Simulated clocks and threads in the place of real ones, in the modules whose code runs in fibres."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from greenlet import getcurrent  # type: ignore[import-untyped]  # it ships no types
from starlette import _exception_handler

from simulation.scheduler import Fibre
from swapline_producer.client import drafting
from swapline_producer.client.batches import bulk
from swapline_producer.client.inputs import acceptance
from swapline_workers.core import bulkhead, picture_memory
from swapline_workers.runtime import due_dispatcher
from swapline_workers.runtime.session import attempts, leases, moved_jobs, outage, view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMED = (due_dispatcher, moved_jobs, outage, view, picture_memory, bulkhead, drafting, bulk, acceptance)
THREADED = (attempts, leases, outage)


class FibreLock:
    """A lock whose waiting takes simulated time."""

    def __init__(self) -> None:
        self._is_held = False

    def __enter__(self) -> None:
        while self._is_held:
            _sleep(0.001)
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False


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


def _sleep(seconds: float) -> None:
    fibre = getcurrent()
    assert isinstance(fibre, Fibre)
    fibre.sleep(seconds)


def _thread() -> int:
    return id(getcurrent())


def _job_id() -> str:
    """The id that the world has chosen for the job that this fibre makes: numbered, so that a seed repeats itself."""
    fibre = getcurrent()
    assert isinstance(fibre, Fibre)
    if fibre.ids:
        return fibre.ids.popleft()
    assert fibre.working is not None
    return fibre.working


async def _in_fibre(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


@contextmanager
def simulated_clocks() -> Iterator[None]:
    """Have the pipeline's modules read simulated clocks, and take fibres for threads."""
    clock = SimpleNamespace(monotonic=_monotonic, sleep=_sleep)
    threads = SimpleNamespace(get_ident=_thread, Lock=FibreLock)
    replaced: list[tuple[Any, str, Any]] = [(module, "time", clock) for module in TIMED]
    replaced += [(module, "threading", threads) for module in THREADED]
    replaced += [(drafting, "new_job_id", _job_id), (_exception_handler, "run_in_threadpool", _in_fibre)]
    with ExitStack() as stack:
        for module, name, simulated in replaced:
            stack.enter_context(patch.object(module, name, simulated))
        yield
