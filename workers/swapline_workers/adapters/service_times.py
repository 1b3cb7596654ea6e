"""Learned service times, cached: a poll's schedule costs no round trip."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable
from swapline_workers.core.schedule.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.ledger import Ledger

log = logging.getLogger(__name__)

FRESH = 5.0
"""Seconds: a histogram holds hundreds of jobs."""


class LearnedTimes:
    """The port `ServiceTimes`, for all threads of a process."""

    def __init__(self, ledger: Ledger, every_kind: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`every_kind`: the histogram of all jobs; `clock`: monotonic seconds."""
        self._ledger = ledger
        self._every_kind = every_kind
        self._clock = clock
        self._reading = threading.Lock()
        self._known: dict[str, tuple[float, Histogram]] = {}

    def of(self, kind: str) -> Histogram | None:
        """Return those of a kind; None before the first reading."""
        read_at, times = self._known.get(kind, (-FRESH, None))
        if self._clock() - read_at < FRESH or not self._reading.acquire(blocking=False):
            return times  # another thread is reading: the last histogram will do
        try:
            return self._read(kind, times)
        finally:
            self._reading.release()

    def _read(self, kind: str, known: Histogram | None) -> Histogram | None:
        try:
            own, all_kinds = map(Histogram, self._ledger.stats.histograms([kind, self._every_kind]))
        except LedgerUnavailable as error:
            log.warning("the schedule stays as it was: %s", error)
            times = known
        else:
            times = own.beside(all_kinds)
            if known is not None and times.weights == known.weights:
                times = known  # plans for it stay valid
        self._known[kind] = (self._clock(), times or Histogram({}))
        return times
