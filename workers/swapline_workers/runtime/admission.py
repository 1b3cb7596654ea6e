"""Whether this worker may work on this ledger: asked before its first step, and again while it works.

A worker with another vendor would send customers' pictures, and spend credits, where they do not belong. So no step is
begun before the ledger has said that this worker's vendor is its own, and a worker that is refused later stops.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_workers.core.log_events import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

ASK_EVERY = 10.0
"""Seconds between two questions: a millisecond of the server's time a day for each worker."""

VALID_FOR = 60.0
"""Seconds that an answer admits steps: a worker that was cut off from the ledger for longer asks again first."""


class Admission:
    """Asks, and remembers the answer. May be used from several threads."""

    def __init__(
        self, ask: Callable[[], None], refused: Callable[[], None], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`ask` raises WrongOwner; `refused` is called once, when it has."""
        self._ask = ask
        self._refused = refused
        self._now = monotonic
        self._lock = threading.Lock()
        self._admitted_at: float | None = None
        self._wrong: WrongOwner | None = None

    def enter(self) -> None:
        """Ask at the start. Raises WrongOwner. A ledger that is away is asked again before the first step."""
        try:
            self._ask()
            self._admitted_at = self._now()
        except LedgerUnavailable:
            return
        except WrongOwner as error:
            self._wrong = error
            raise

    def check(self, within: float = VALID_FOR) -> None:
        """See that the ledger has admitted this worker `within` so many seconds.

        Raises WrongOwner, LedgerUnavailable.
        """
        if self._admitted_at is not None and self._now() < self._admitted_at + within:
            return
        with self._lock:
            if self._wrong is not None:
                raise self._wrong
            if self._admitted_at is not None and self._now() < self._admitted_at + within:
                return
            try:
                self._ask()
            except WrongOwner as error:
                self.refuse(error)
                raise
            self._admitted_at = self._now()

    def refuse(self, error: WrongOwner) -> None:
        """Begin no step any more, and stop the worker."""
        self._wrong, self._admitted_at = error, None
        log.error("this worker stops: %s", error, extra={"event_name": LogEvent.WORKER_REFUSED})
        self._refused()

    def renew(self) -> None:
        """Ask again, every ASK_EVERY seconds. Raises as `check`."""
        self.check(ASK_EVERY)
