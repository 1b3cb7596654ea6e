"""Check, at the start and every minute, that this worker's store is its ledger's."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, StorageError, WrongOwner

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK_INTERVAL_S = 60.0
"""Between two checks, of one small read each."""


class StoreGuard:
    """Keeps the last finding, for `swapline doctor`."""

    def __init__(
        self,
        check: Callable[[], None],
        refused: Callable[[WrongOwner], None],
        *,
        found_first: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check` raises WrongOwner, StorageError or LedgerUnavailable."""
        self._found_first = found_first
        self._check = check
        self._refused = refused
        self._now = monotonic
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._was_ours = False
        self.found = ""
        """`ok`, or what is wrong; empty at first."""

    def start(self) -> None:
        """Check; an unavailable store is checked again later. Raises WrongOwner."""
        with suppress(StorageError, LedgerUnavailable):
            self._ask()
        with suppress(LedgerUnavailable):
            self._found_first()

    def drain(self) -> None:
        """Go on."""

    def stop(self) -> None:
        """Do nothing: no resource is open."""

    def check(self) -> None:
        """Check again after a minute. Raises as `check`.

        A wrong store stops the worker, unless it was right before.
        """
        if self._now() < self._next_at:
            return
        try:
            self._ask()
        except WrongOwner as error:
            if not self._was_ours:
                self._refused(error)
            raise

    def _ask(self) -> None:
        with self._lock:
            try:
                self._check()
            except (WrongOwner, StorageError) as error:
                self.found = str(error)
                raise
            self.found, self._was_ours = "ok", True
            self._next_at = self._now() + CHECK_INTERVAL_S
