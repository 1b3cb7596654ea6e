"""Admit this worker to its ledger: another vendor's would send pictures and spend credits there."""

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

RENEWAL_INTERVAL_S = 10.0

VALIDITY_S = 60.0


class Admission:
    """Asks the ledger and keeps the answer. Thread-safe."""

    def __init__(
        self, ask: Callable[[], None], refused: Callable[[], None], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`ask` raises WrongOwner; then `refused` is called, once."""
        self._ask = ask
        self._refused = refused
        self._now = monotonic
        self._lock = threading.Lock()
        self._admitted_at: float | None = None
        self._wrong: WrongOwner | None = None

    def start(self) -> None:
        """Ask; an unavailable ledger is asked later. Raises WrongOwner."""
        try:
            self._ask()
            self._admitted_at = self._now()
        except LedgerUnavailable:
            return
        except WrongOwner as error:
            self._wrong = error
            raise

    def drain(self) -> None:
        """Go on: steps in progress are admitted."""

    def stop(self) -> None:
        """Do nothing: `Membership` leaves the ledger."""

    def check(self, within: float = VALIDITY_S) -> None:
        """Ask again after `within` seconds.

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
        """Begin no further step and stop the worker."""
        self._wrong, self._admitted_at = error, None
        log.error("this worker stops: %s", error, extra={"event_name": LogEvent.WORKER_REFUSED})
        self._refused()

    def renew(self) -> None:
        """Ask again, every RENEWAL_INTERVAL_S."""
        self.check(RENEWAL_INTERVAL_S)
