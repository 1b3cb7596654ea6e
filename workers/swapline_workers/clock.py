"""The clock: claims what is due in the ledger and publishes it. Every worker has one; none is special.

Next looks, next webhook attempts, timeouts and the rescue of lost messages are all one mechanism: an entry in `due`.
The clock sleeps until the next entry it knows of. Moves made by this process tell it their moments; entries that
other processes made are theirs to claim first, and found here a second later at the latest.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.broker import Outbox
    from swapline_producer.ledger import Ledger

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds between two claims when nothing is known to be due: what a dead worker left behind waits no longer."""

SHORTEST = 0.005
"""Seconds between two claims at least: bounds what a ledger that always answers "now" can cost."""

LIMIT = 200
"""Entries of one claim: about a millisecond of the server's time."""

AWAY = 1.0
"""Seconds between two tries to reach a ledger that is away."""


class Clock(threading.Thread):
    """Claims and publishes until it is stopped."""

    def __init__(
        self,
        ledger: Ledger,
        mail: Outbox,
        *,
        in_hands: Callable[[], Sequence[tuple[str, int]]],
        renew_every: float,
    ) -> None:
        """`in_hands` gives the jobs that this process works on; their rescue is put off every `renew_every` seconds."""
        super().__init__(name="swapline-clock", daemon=True)
        self._ledger = ledger
        self._mail = mail
        self._in_hands = in_hands
        self._renew_every = renew_every
        self._idle = min(IDLE, renew_every)
        self._renew_at = 0.0
        self._changed = threading.Condition()
        self._wake_at = 0.0
        self._ahead = 0.0
        self._stopped = False
        self._prepare: Callable[[], None] | None = None

    def before_first_claim(self, prepare: Callable[[], None]) -> None:
        """Have something written to the ledger first, as soon as it can be reached."""
        self._prepare = prepare

    def nudge(self, at: int) -> None:
        """Something will be due at this moment (milliseconds by the ledger's clock)."""
        moment = (at - self._ahead) / 1000
        with self._changed:
            if moment < self._wake_at:
                self._wake_at = moment
                self._changed.notify()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread; a claim under way is published first."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Claim, publish, sleep."""
        away = False
        while not self._stopped:
            try:
                wait = self._tick()
                if away:
                    log.warning("the ledger is back")
                away = False
            except LedgerUnavailable as error:
                if not away:
                    log.warning("the ledger is away, the clock waits for it: %s", error)
                away, wait = True, AWAY
            except Exception:  # the clock must not die of one bad entry: everything waits for it
                log.exception("a claim failed; the clock goes on")
                wait = AWAY
            self._sleep(wait)

    def _tick(self) -> float:
        if self._prepare is not None:
            self._prepare()
            self._prepare = None
        with self._changed:
            self._wake_at = time.monotonic() + self._idle  # a nudge during the claim can only bring this forward
        claimed = self._ledger.claim(ROUTES, limit=LIMIT)
        self._ahead = claimed.at - time.monotonic() * 1000
        self._mail.send(claimed.tickets)
        self._renew()
        if len(claimed.tickets) >= LIMIT:
            return 0.0
        return self._idle if claimed.next_at is None else (claimed.next_at - claimed.at) / 1000

    def _renew(self) -> None:
        now = time.monotonic()
        if now >= self._renew_at:
            self._ledger.renew(self._in_hands())
            self._renew_at = now + self._renew_every

    def _sleep(self, wait: float) -> None:
        soonest = time.monotonic() + SHORTEST
        with self._changed:
            self._wake_at = min(self._wake_at, time.monotonic() + min(wait, self._idle))
            while not self._stopped and (left := max(self._wake_at, soonest) - time.monotonic()) > 0:
                self._changed.wait(left)
