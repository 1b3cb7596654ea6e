"""The clock: claims what is due in the ledger and publishes it. Every worker has one; none is special.

Next looks, next webhook attempts, timeouts and the rescue of lost messages are all one mechanism: an entry in `due`.
Each clock wakes at the moments that moves of its own process have set. Beside that all clocks together sweep some
times a second for what nobody remembers (a dead worker's entries, a producer's): the more clocks there are, the less
often each of them sweeps, so that fifty workers cost the ledger what one does.
"""

from __future__ import annotations

import heapq
import logging
import secrets
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.log_events import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher

log = logging.getLogger(__name__)

SWEEP = 0.25
"""Seconds between two sweeps of all clocks together: how late, at most on average, an orphaned entry is found."""

SHORTEST = 0.02
"""Seconds between two claims at least: what is due under load goes in groups, and a ledger that always answers "now"
costs fifty claims a second at most."""

CROWDED = 500
"""Moments ahead from which on claims are further apart: each one more only makes the groups smaller."""

CROWDED_SHORTEST = 0.05
"""Seconds between two claims then: with thousands in flight a claim takes a tenth of a worker's time otherwise."""

LIMIT = 200
"""Entries of one claim: about a millisecond of the server's time."""

AWAY = 1.0
"""Seconds between two tries to reach a ledger that is away."""

CLAIM_DELAY_AFTER_OUTAGE_S = 1.5
"""Seconds that a ledger has been back before anything is claimed: who has the reply to a paid call offers it again
every second. Claimed before that, its job would be held for a person."""


def _nothing() -> None:
    """Check nothing."""


UNAVAILABLE, AVAILABLE = {"event_name": LogEvent.LEDGER_UNAVAILABLE}, {"event_name": LogEvent.LEDGER_AVAILABLE}


def spacing(moments: int) -> float:
    """Seconds between two claims at least while a process remembers so many moments ahead."""
    return CROWDED_SHORTEST if moments > CROWDED else SHORTEST


class DueDispatcher(threading.Thread):
    """Claims and publishes until it is stopped."""

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        *,
        leased_jobs: Callable[[], Sequence[tuple[str, int]]],
        renew_every: float,
    ) -> None:
        """Put off the rescue of `leased_jobs`, the jobs of this process, every `renew_every` seconds."""
        super().__init__(name="swapline-due-dispatcher", daemon=True)
        self._ledger = ledger
        self._publisher = publisher
        self._in_hands = leased_jobs
        self._longest_renewal = self._renew_every = renew_every
        self._renew_at = 0.0
        self._claims_from: float | None = None
        """After an outage: from when on claims are made. None while the ledger does not answer."""
        self._lost_at = 0.0
        self._id = secrets.token_hex(4)  # 32 bits: two clocks of one name would only count as one
        self._changed = threading.Condition()
        self._moments: list[float] = []
        self._ahead = 0.0
        self._stopped = False
        self._retired = False
        self._check: Callable[[], None] = _nothing
        self.last_tick_at = 0.0
        """When it last began a round, in seconds of the monotonic clock; 0 before the first."""
        self.claimed_at = 0.0
        """When it last claimed, in the same seconds; 0 before the first claim."""
        self.away = False
        """Whether the last claim failed, or was not even tried."""

    def before_claims(self, check: Callable[[], None]) -> None:
        """Have something seen to before each claim: nothing is claimed where it raises."""
        self._check = check

    def renew_within(self, seconds: float) -> None:
        """Put off rescues at least so often: others rescue sooner than this worker's setting says."""
        self._renew_every = min(self._longest_renewal, seconds)

    def schedule_wakeup(self, at: int) -> None:
        """Something will be due at this moment (milliseconds by the ledger's clock)."""
        moment = (at - self._ahead) / 1000
        with self._changed:
            first = not self._moments or moment < self._moments[0]
            heapq.heappush(self._moments, moment)
            if first:
                self._changed.notify()

    def drain(self) -> None:
        """Claim nothing any more; go on putting off the rescue of what is in hand, until `stop`."""
        self._retired = True

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread; a claim under way is published first."""
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
                wait = AWAY  # the worker is being stopped, and has said why
            except Exception:  # the clock must not die of one bad entry: everything waits for it
                log.exception("a claim failed; the clock goes on")
                wait = AWAY
            self._sleep(wait)

    def _tick(self) -> float:
        """Claim and publish what is due; gives seconds until the next sweep."""
        self._renew()  # first: after an outage our own jobs are overdue as well, and we have them in hand
        settling = self._settling()
        if self._retired or settling > 0:
            self._forget_past_moments()
            return self._renew_every if self._retired else min(self._renew_every, settling)
        self._check()
        self._forget_past_moments()
        claimed = self._ledger.transitions.claim(ROUTES, dispatcher=self._id, limit=LIMIT)
        self._ahead = claimed.at - time.monotonic() * 1000
        self._found()
        self._publisher.send(claimed.messages)
        for moment in claimed.put_off:
            self.schedule_wakeup(moment)
        if len(claimed.messages) >= LIMIT:
            return 0.0
        sweep = min(claimed.clocks * SWEEP, self._renew_every)
        if claimed.clocks > 1 or claimed.next_at is None:
            return sweep
        return min(sweep, (claimed.next_at - claimed.at) / 1000)  # nobody else remembers it either

    def _lost(self, error: LedgerUnavailable) -> float:
        """Note that the ledger is away; gives the seconds until it is tried again."""
        if not self.away:
            log.warning("ledger unavailable, claims are tried again every second: %s", error, extra=UNAVAILABLE)
            self._lost_at = time.monotonic()
        self.away, self._claims_from = True, None
        return AWAY

    def _settling(self) -> float:
        """Seconds that a ledger which answers again is still left alone."""
        if not self.away:
            return 0.0
        if self._claims_from is None:
            self._claims_from = time.monotonic() + CLAIM_DELAY_AFTER_OUTAGE_S
        return self._claims_from - time.monotonic()

    def _found(self) -> None:
        """Note a claim; only that shows that the ledger is back: one that answers may refuse writes."""
        if self.away:
            log.warning("ledger available again after %.0f s", time.monotonic() - self._lost_at, extra=AVAILABLE)
        self.away, self.claimed_at = False, time.monotonic()

    def _renew(self) -> None:
        now, leased_jobs = time.monotonic(), self._in_hands()
        unanswered = self.away and self._claims_from is None  # asked with nothing in hand, too: does it answer?
        if unanswered or now >= self._renew_at:
            if unanswered or leased_jobs:
                self._ledger.transitions.renew(leased_jobs)
            self._renew_at = now + self._renew_every

    def _forget_past_moments(self) -> None:
        now = time.monotonic()
        with self._changed:
            while self._moments and self._moments[0] <= now:
                heapq.heappop(self._moments)

    def _sleep(self, wait: float) -> None:
        soonest = time.monotonic() + spacing(len(self._moments))
        sweep_at = time.monotonic() + wait
        with self._changed:
            while not self._stopped:
                wake_at = min(sweep_at, self._moments[0]) if self._moments else sweep_at
                left = max(wake_at, soonest) - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
