"""The ledger's clock and its load, as of its last answer: reading them costs no round trip."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Opened


class LedgerView:
    """What steps may know of the ledger beside their job. May be used from several threads."""

    def __init__(self) -> None:
        """Assume that jobs wait until the ledger has answered."""
        self._ahead_ms = 0.0
        self._jobs_wait = True
        self._in_flight = 0

    def set_time(self, at: int) -> None:
        """Set the time to the ledger's, in UTC milliseconds."""
        self._ahead_ms = at - time.monotonic() * 1000

    def opened(self, opened: Opened) -> None:
        """Note what the ledger said when a job was opened."""
        self._jobs_wait, self._in_flight = opened.waiting, opened.in_flight

    def now(self) -> int:
        """Return UTC milliseconds by the ledger's clock."""
        return round(time.monotonic() * 1000 + self._ahead_ms)

    def in_flight(self) -> int:
        """Return the number of jobs that hold a slot, over all workers."""
        return self._in_flight

    def jobs_wait(self) -> bool:
        """Whether jobs wait for a slot."""
        return self._jobs_wait
