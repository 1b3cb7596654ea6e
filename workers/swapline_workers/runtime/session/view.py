"""The ledger's clock and load as of its last answer, without a round trip."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_producer.contract.answers import Opened


class LedgerView:
    """What steps may know of the ledger. Thread-safe."""

    def __init__(self) -> None:
        """Assume at first that jobs wait."""
        self._ahead_ms = 0.0
        self._jobs_wait = True
        self._in_flight = 0

    def set_time(self, at: int) -> None:
        """Set the ledger's time, in UTC milliseconds."""
        self._ahead_ms = at - time.monotonic() * 1000

    def opened(self, opened: Opened) -> None:
        """Note what the ledger said when a job was opened."""
        self._jobs_wait, self._in_flight = opened.waiting, opened.in_flight

    def now(self) -> int:
        """See `steps.ports.LedgerView.now`."""
        return round(time.monotonic() * 1000 + self._ahead_ms)

    def in_flight(self) -> int:
        """See `steps.ports.LedgerView.in_flight`."""
        return self._in_flight

    def jobs_wait(self) -> bool:
        """Whether jobs wait for a slot."""
        return self._jobs_wait
