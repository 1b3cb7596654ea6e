"""Whether this worker's store is that of its ledger: asked at the start, and every minute for `swapline doctor`."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, StorageError, WrongOwner

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK_EVERY = 60.0
"""Seconds: one small read a minute for each worker."""


class StoreGuard:
    """Keeps what was found last. `enter` and `check` are called by two threads at most."""

    def __init__(
        self,
        check: Callable[[], None],
        refused: Callable[[WrongOwner], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check` raises WrongOwner, StorageError or LedgerUnavailable; `refused` stops a worker with a wrong store."""
        self._check = check
        self._refused = refused
        self._now = monotonic
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._was_ours = False
        self.found = ""
        """`ok`, or what is wrong; empty before the first answer."""

    def enter(self) -> None:
        """Ask at the start. Raises WrongOwner. A store that is away is asked again by `check`."""
        with suppress(StorageError, LedgerUnavailable):
            self._ask()

    def check(self) -> None:
        """Ask again when a minute has passed since the store was seen to be right. Raises as the check.

        A worker whose store turns out to be another's is stopped. One whose store was its own goes on: the pictures of
        its jobs are there.
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
            self._next_at = self._now() + CHECK_EVERY
