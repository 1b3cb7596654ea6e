"""Checks while paid calls are under way that Redis has their attempts, also where another server is Redis now."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_workers.runtime.session.attempts import Attempts

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 0.25
"""A check is one HELLO, unless another server answers."""


class AttemptKeeper(threading.Thread):
    """Sleeps while no paid call is under way."""

    def __init__(self, attempts: Attempts, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` waits for seconds."""
        super().__init__(name="swapline-attempt-keeper", daemon=True)
        self._attempts = attempts
        self._pause = pause
        self._begun = threading.Event()
        self._stopped = False
        attempts.on_written = self._begun.set

    def drain(self) -> None:
        """Go on: calls may be under way until `stop`."""

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread within `timeout` seconds."""
        self._stopped = True
        self._begun.set()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Wait for calls, and keep their attempts."""
        while not self._stopped:
            self._begun.wait()
            self._begun.clear()
            self.keep()

    def keep(self) -> None:
        """Keep the attempts until no call is under way."""
        while self._attempts.open() and not self._stopped:
            self._pause(CHECK_INTERVAL_S)
            try:
                self._attempts.restore()
            except LedgerUnavailable:  # tried again
                continue
            except Exception:  # one bad record must not end the thread
                log.exception("attempts could not be checked; the next check is made in %s s", CHECK_INTERVAL_S)
