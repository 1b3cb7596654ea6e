"""Claim what is due in the ledger and publish it. Every worker has a due dispatcher.

It wakes at times that its process scheduled, and sweeps for entries of dead workers and producers.
"""

from __future__ import annotations

import heapq
import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_workers.core.log_events import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher
    from swapline_workers.runtime.session.job_session import JobSession

log = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 0.25
"""Between sweeps: the delay of an orphaned entry."""

CLAIM_INTERVAL_S = 0.02
"""Least between two claims: under load entries go in groups."""

CROWDED_WAKEUPS = 500
"""Scheduled times above which claims are further apart."""

CROWDED_CLAIM_INTERVAL_S = 0.05
"""Least between them then: else they take a tenth of a worker's time."""

CLAIM_LIMIT = 200
"""Entries of one claim: 1 ms of the server's time."""

RECONNECT_DELAY_S = 1.0

CLAIM_DELAY_AFTER_OUTAGE_S = 1.5
"""Replies to paid calls are written first, else jobs are HELD."""

RENEWALS = 3
"""Renewals of a lease before a rescue: two may fail."""


UNAVAILABLE, AVAILABLE = {"event_name": LogEvent.LEDGER_UNAVAILABLE}, {"event_name": LogEvent.LEDGER_AVAILABLE}


def claim_interval(wakeups: int) -> float:
    """Return the least seconds between two claims."""
    return CROWDED_CLAIM_INTERVAL_S if wakeups > CROWDED_WAKEUPS else CLAIM_INTERVAL_S


class DueDispatcher(threading.Thread):
    """Claims and publishes until it is stopped."""

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        *,
        session: Callable[[], JobSession],
        renew_every: float,
    ) -> None:
        """Renew the leases of `session`'s jobs every `renew_every` seconds."""
        super().__init__(name="swapline-due-dispatcher", daemon=True)
        self._ledger = ledger
        self._publisher = publisher
        self._session = session
        self._longest_renewal = self._renew_every = renew_every
        self._renew_at = 0.0
        self._claims_from: float | None = None
        """First claim after an outage; None during one."""
        self._lost_at = 0.0
        self._id = secrets.token_hex(4)  # 32 bits: two dispatchers of one name would count as one
        self._changed = threading.Condition()
        self._wakeups: list[float] = []
        self._ahead = 0.0
        self._stopped = False
        self._draining = False
        self._check: Callable[[], None] = lambda: None
        self.last_tick_at = 0.0
        """Monotonic time of the last round; 0 before the first."""
        self.claimed_at = 0.0
        """Monotonic time of the last claim; 0 before the first."""
        self.away = False
        """Whether the last claim failed, or was not tried."""

    def before_claims(self, check: Callable[[], None]) -> None:
        """Call `check` before each claim; nothing is claimed where it raises."""
        self._check = check

    def renew_within(self, seconds: float) -> None:
        """Renew leases at least this often: another worker rescues sooner."""
        self._renew_every = min(self._longest_renewal, seconds)

    def schedule_wakeup(self, at: int) -> None:
        """Wake at this time (UTC milliseconds by the ledger)."""
        wakeup = (at - self._ahead) / 1000
        with self._changed:
            first = not self._wakeups or wakeup < self._wakeups[0]
            heapq.heappush(self._wakeups, wakeup)
            if first:
                self._changed.notify()

    def drain(self) -> None:
        """Claim nothing more; renew leases until `stop`."""
        self._draining = True

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread within `timeout` seconds."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Claim, publish, sleep."""
        while not self._stopped:
            self.last_tick_at = time.monotonic()
            try:
                wait = self._tick()
            except LedgerUnavailable as error:
                wait = self._lost(error)
            except WrongOwner:
                wait = RECONNECT_DELAY_S  # the worker is being stopped, and has logged why
            except Exception:  # one bad entry must not end the thread for which everything waits
                log.exception("claim failed; the due dispatcher goes on")
                wait = RECONNECT_DELAY_S
            self._sleep(wait)

    def _tick(self) -> float:
        """Claim and publish; return the seconds until the next sweep."""
        self._renew()  # first: after an outage the jobs leased here are overdue as well
        settling = self._settling()
        if self._draining or settling > 0:
            self._drop_past_wakeups()
            return self._renew_every if self._draining else min(self._renew_every, settling)
        self._check()
        self._drop_past_wakeups()
        claimed = self._session().claim(dispatcher=self._id, limit=CLAIM_LIMIT)
        self._ahead = claimed.at - time.monotonic() * 1000
        self._found()
        self._publisher.send(claimed.messages)
        for postponed in claimed.put_off:
            self.schedule_wakeup(postponed)
        if len(claimed.messages) >= CLAIM_LIMIT:
            return 0.0
        sweep = min(claimed.dispatchers * SWEEP_INTERVAL_S, self._renew_every)
        if claimed.dispatchers > 1 or claimed.next_at is None:
            return sweep
        return min(sweep, (claimed.next_at - claimed.at) / 1000)  # no other process has scheduled it

    def _lost(self, error: LedgerUnavailable) -> float:
        if not self.away:
            log.warning("ledger unavailable, claims are tried again every second: %s", error, extra=UNAVAILABLE)
            self._lost_at = time.monotonic()
        self.away, self._claims_from = True, None
        return RECONNECT_DELAY_S

    def _settling(self) -> float:
        if not self.away:
            return 0.0
        if self._claims_from is None:
            self._claims_from = time.monotonic() + CLAIM_DELAY_AFTER_OUTAGE_S
        return self._claims_from - time.monotonic()

    def _found(self) -> None:
        """Note a claim: a ledger that answers may still refuse writes."""
        if self.away:
            log.warning("ledger available again after %.0f s", time.monotonic() - self._lost_at, extra=AVAILABLE)
        self.away, self.claimed_at = False, time.monotonic()

    def _renew(self) -> None:
        now, leased_jobs = time.monotonic(), self._session().leases.all()
        unanswered = self.away and self._claims_from is None  # asked without leases, too: does it answer?
        if unanswered or now >= self._renew_at:
            if unanswered or leased_jobs:
                self._ledger.transitions.renew(leased_jobs)
            self._renew_at = now + self._renew_every

    def _drop_past_wakeups(self) -> None:
        now = time.monotonic()
        with self._changed:
            while self._wakeups and self._wakeups[0] <= now:
                heapq.heappop(self._wakeups)

    def _sleep(self, wait: float) -> None:
        soonest = time.monotonic() + claim_interval(len(self._wakeups))
        sweep_at = time.monotonic() + wait
        with self._changed:
            while not self._stopped:
                wake_at = min(sweep_at, self._wakeups[0]) if self._wakeups else sweep_at
                left = max(wake_at, soonest) - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
