"""Write a worker's state into a file, for `swapline alive`.

Its probe needs no password, and fails for a frozen process.
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
"""Between two writes, of 50 microseconds each."""
SILENCE_LIMIT_S = 30.0
CONSUMER_LIMIT_S = 60.0
"""Three calls of 15 s to a server that never answers."""
DISPATCHER_LIMIT_S = 120.0
"""Eleven tries of 10 s, beside its own pause."""
CLAIM_LIMIT_S = 120.0
"""Redis takes a minute to read its data."""


class DispatcherLike(Protocol):
    """The part of a due dispatcher that is shown."""

    last_tick_at: float
    claimed_at: float
    away: bool


@dataclass(frozen=True)
class Allowed:
    """Seconds that parts of a worker may be silent."""

    dispatcher_pause: float
    step: float


class Heartbeat:
    """Shows one worker process in a file, if there is a path."""

    def __init__(
        self,
        path: Path | None,
        *,
        due_dispatcher: DispatcherLike,
        allowed: Allowed,
        unwritten: Callable[[], int] = lambda: 0,
        active: Callable[[], Collection[Hashable]] = active_requests,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`unwritten`: paid results without a write; `active`: what the threads run."""
        self._path = path
        self._due_dispatcher = due_dispatcher
        self._allowed = allowed
        self._unwritten = unwritten
        self._active = active
        self._now = monotonic
        self.threads = 1
        self._busy: dict[Hashable, float] = {}
        self._consumer_at = 0.0
        self._started_at = monotonic()
        self._connected = False
        self._stopping = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write the file from now on."""
        self._consumer_at = self._started_at = self._now()
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write(self._path)
            self._thread = threading.Thread(
                target=self._run, args=(self._path,), name="swapline-heartbeat", daemon=True
            )
            self._thread.start()

    def reads(self) -> None:
        """Note that the main thread reads messages."""
        self._consumer_at, self._connected = self._now(), True

    def waits(self) -> None:
        """Note that the main thread waits for the broker."""
        self._consumer_at, self._connected = self._now(), False

    def drain(self) -> None:
        """Show that the worker is stopping."""
        self._stopping = True

    def stop(self) -> None:
        """Remove the file."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(HEARTBEAT_INTERVAL_S)  # else a write under way would restore the file
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def liveness(self) -> Liveness:
        """Return the worker's state now."""
        now = self._now()
        # Monotonic times of our own: Celery's are of the wall clock, which can be set.
        self._busy = {one: self._busy.get(one, now) for one in self._active()}
        return Liveness(
            pid=os.getpid(),
            at=now,
            silent_within=SILENCE_LIMIT_S,
            stopping=self._stopping,
            consumer_at=self._consumer_at,
            consumer_within=CONSUMER_LIMIT_S,
            connected=self._connected,
            dispatcher_at=self._due_dispatcher.last_tick_at or now,
            dispatcher_within=DISPATCHER_LIMIT_S + self._allowed.dispatcher_pause,
            claimed_at=max(self._due_dispatcher.claimed_at, self._started_at),
            claimed_within=CLAIM_LIMIT_S + self._allowed.dispatcher_pause,
            ledger_away=self._due_dispatcher.away,
            unwritten=self._unwritten(),
            threads=self.threads,
            busy_since=tuple(self._busy.values()),
            busy_within=self._allowed.step,
        )

    def _run(self, path: Path) -> None:
        while not self._ended.wait(HEARTBEAT_INTERVAL_S):
            try:
                self._write(path)
            except OSError as error:  # a disk that was full must not silence a worker for ever
                log.warning("heartbeat file cannot be written: %s", error)

    def _write(self, path: Path) -> None:
        half = path.with_name(f"{path.name}.{os.getpid()}")
        half.write_text(self.liveness().text())
        half.replace(path)
