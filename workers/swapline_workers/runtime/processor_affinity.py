"""Keep a worker's threads on one processor while it has time for them. See decision 0040."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_workers.core.affinity import choose

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 2.0
"""+-50 %: workers that share a processor leave it one by one."""

FIRST_CHECK_DELAY_S = 0.3
"""A worker that has just started is idle."""

PROC = Path("/proc")


class OneCore(threading.Thread):
    """Moves this process's threads by the processors' load."""

    def __init__(self, *, rng: random.Random | None = None, proc: Path = PROC) -> None:
        """Move nothing yet."""
        super().__init__(name="swapline-one-core", daemon=True)
        self._rng = rng or random.Random()  # noqa: S311 -- it keeps workers apart, no secret
        self._proc = proc
        self._may: frozenset[int] = frozenset()
        self._ended = threading.Event()
        self.here: int | None = None
        """None while spread."""

    def start(self) -> None:
        """Begin, if there are several processors and the system supports it."""
        if not hasattr(os, "sched_setaffinity") or not (self._proc / "stat").is_file():
            return
        self._may = frozenset(os.sched_getaffinity(0))
        if len(self._may) > 1:
            super().start()

    def drain(self) -> None:
        """Go on until `stop`."""

    def stop(self) -> None:
        """Spread the threads again."""
        self._ended.set()
        if self.is_alive():
            self.join(CHECK_INTERVAL_S)

    def run(self) -> None:
        """Check, move, sleep."""
        try:
            before, wait = self._used(), FIRST_CHECK_DELAY_S
            while not self._ended.wait(wait):
                before, wait = self._check(before), CHECK_INTERVAL_S * self._rng.uniform(0.5, 1.5)
        except Exception:  # steps go on wherever they run
            log.exception("threads are not kept together any more")
        self._move(None)

    def _check(self, before: _Used) -> _Used:
        now = self._used()
        seconds = max(now.at - before.at, 0.001)
        own = (now.own - before.own) / seconds
        others = {
            number: max(0.0, (busy - before.busy.get(number, busy)) / seconds - self._own_share(own, number))
            for number, busy in now.busy.items()
        }
        chosen = choose(own, others, self.here) if others else None
        if chosen != self.here:
            self._move(chosen)
        return now

    def _own_share(self, own: float, number: int) -> float:
        if self.here is None:
            return own / len(self._may)
        return own if number == self.here else 0.0

    def _move(self, to: int | None) -> None:
        where = self._may if to is None else {to}
        for thread in _threads(self._proc):
            with suppress(OSError):  # it has ended, or its processor is gone
                os.sched_setaffinity(thread, where)
        self.here = to
        log.debug("threads run on %s", "all processors" if to is None else f"processor {to}")

    def _used(self) -> _Used:
        lines = (self._proc / "stat").read_text().splitlines()
        busy = dict(_busy(line) for line in lines if line.startswith("cpu") and not line.startswith("cpu "))
        allowed = {number: seconds for number, seconds in busy.items() if number in self._may}
        return _Used(time.monotonic(), time.process_time(), allowed)


class _Used:
    """Seconds of CPU used until a time: by this process, and of each processor."""

    def __init__(self, at: float, own: float, busy: dict[int, float]) -> None:
        self.at, self.own, self.busy = at, own, busy


def _busy(line: str) -> tuple[int, float]:
    """Read a processor and its busy seconds from a line of /proc/stat."""
    name, *ticks = line.split()
    user, nice, system, _, _, *interrupts = (int(number) for number in ticks[:8])
    return int(name[3:]), (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _threads(proc: Path) -> Iterable[int]:
    return (int(entry.name) for entry in (proc / "self" / "task").iterdir())
