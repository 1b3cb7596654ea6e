"""A worker's pulse: a thread that writes into a file, every second, how the worker's other parts are.

`swapline alive` reads it. It is a file and no port, because a probe must not depend on Redis, needs no password, and
must fail for a process that is frozen.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from swapline_workers.core.liveness import Liveness
from swapline_workers.dispatch.worker_state import active_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable
    from pathlib import Path

log = logging.getLogger(__name__)

HEARTBEAT_INTERVAL_S = 1.0
"""Seconds between two pulses: some 50 microseconds of work each."""
SILENT_WITHIN = 30.0
"""Seconds: a machine that swaps, or a picture that is decoded, holds a thread up for some; nothing sound does for so
long."""
CONSUMER_WITHIN = 60.0
"""Seconds: with a server that accepts and says nothing, the main thread sits in three calls of 15 s at worst."""
DISPATCHER_WITHIN_S = 120.0
"""Seconds beside its own pause: four tries of 10 s at the ledger for each of its two moves, three for its messages."""
CLAIM_WITHIN_S = 120.0
"""Seconds beside the clock's pause: a fail-over takes seconds, a restart of Redis with its data to read a minute."""


class DispatcherLike(Protocol):
    """What the pulse asks a clock."""

    last_tick_at: float
    claimed_at: float
    away: bool


@dataclass(frozen=True)
class Allowed:
    """How long parts of a worker may be silent, in seconds."""

    dispatcher_pause: float
    step: float


class Heartbeat:
    """Shows one worker process in a file; without a path it shows nothing."""

    def __init__(
        self,
        path: Path | None,
        *,
        due_dispatcher: DispatcherLike,
        allowed: Allowed,
        unwritten: Callable[[], int] = lambda: 0,
        in_hand: Callable[[], Collection[Hashable]] = active_requests,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`unwritten` gives the number of paid results that the ledger does not take.

        `in_hand` gives what the worker's threads are at, each the same object as long as it lasts.
        """
        self._path = path
        self._due_dispatcher = due_dispatcher
        self._allowed = allowed
        self._unwritten = unwritten
        self._in_hand = in_hand
        self._now = monotonic
        self._threads = 1
        self._busy: dict[Hashable, float] = {}
        self._came_by = 0.0
        self._started_at = monotonic()
        self._connected = False
        self._stopping = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, threads: int) -> None:
        """Show the worker, whose pool has so many threads, from now on."""
        self._threads = threads
        self._came_by = self._started_at = self._now()
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write(self._path)
            self._thread = threading.Thread(
                target=self._run, args=(self._path,), name="swapline-heartbeat", daemon=True
            )
            self._thread.start()

    def reads(self) -> None:
        """The main thread came by, and reads messages."""
        self._came_by, self._connected = self._now(), True

    def waits(self) -> None:
        """The main thread came by, and waits for the broker."""
        self._came_by, self._connected = self._now(), False

    def leave(self) -> None:
        """The worker was told to stop."""
        self._stopping = True

    def stop(self) -> None:
        """The worker has stopped: it shows itself no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(HEARTBEAT_INTERVAL_S)  # else what it is writing would appear after all
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def liveness(self) -> Liveness:
        """How the worker is now."""
        now = self._now()
        # Since when each was seen here: Celery's own moments are of the wall clock, which somebody may set.
        self._busy = {one: self._busy.get(one, now) for one in self._in_hand()}
        return Liveness(
            pid=os.getpid(),
            at=now,
            silent_within=SILENT_WITHIN,
            stopping=self._stopping,
            consumer_at=self._came_by,
            consumer_within=CONSUMER_WITHIN,
            connected=self._connected,
            dispatcher_at=self._due_dispatcher.last_tick_at or now,
            dispatcher_within=DISPATCHER_WITHIN_S + self._allowed.dispatcher_pause,
            claimed_at=max(self._due_dispatcher.claimed_at, self._started_at),
            claimed_within=CLAIM_WITHIN_S + self._allowed.dispatcher_pause,
            ledger_away=self._due_dispatcher.away,
            unwritten=self._unwritten(),
            threads=self._threads,
            busy_since=tuple(self._busy.values()),
            busy_within=self._allowed.step,
        )

    def _run(self, path: Path) -> None:
        while not self._ended.wait(HEARTBEAT_INTERVAL_S):
            try:
                self._write(path)
            except OSError as error:  # a disk that is full for a moment must not silence a worker for ever
                log.warning("the pulse cannot be written: %s", error)

    def _write(self, path: Path) -> None:
        half = path.with_name(f"{path.name}.{os.getpid()}")
        half.write_text(self.liveness().text())
        half.replace(path)
