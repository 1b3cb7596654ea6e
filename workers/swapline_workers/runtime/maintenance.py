"""Delete what is past its retention, and orphans: one worker at a time."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, StorageError, WrongOwner
from swapline_producer.retention.orphans import sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.retention.orphans import Janitor
    from swapline_producer.retention.purge import Purge
    from swapline_producer.retention.sweep import Sweep
    from swapline_workers.runtime.store.probe import StoreProbe

log = logging.getLogger(__name__)

ROUND_INTERVAL_S = 1.0
"""Of all workers: the delay with which an input is deleted."""

ORPHAN_INTERVAL_S = 60.0
"""Between two searches, each of 1,000 objects in each area of the store."""

ABANDONED_INTERVAL_S = 3600.0

RETRY_DELAY_S = 15.0

ODD_NAMES_LOGGED = 1000
"""Foreign names in the store, each once."""


class Housekeeping(threading.Thread):
    """Probes and sweeps until it is stopped."""

    def __init__(
        self,
        sweep: Sweep,
        purge: Purge,
        janitor: Janitor,
        claim_periodic_task: Callable[[str, float], bool],
        probe: StoreProbe,
        check_store: Callable[[], None],
    ) -> None:
        """`check_store` raises where nothing may be deleted; `claim_periodic_task`: see `Retention`."""
        super().__init__(name="swapline-housekeeping", daemon=True)
        self._sweep = sweep
        self._purge = purge
        self._janitor = janitor
        self._claim_periodic_task = claim_periodic_task
        self._probe = probe
        self._check_store = check_store
        self._draining = threading.Event()
        self._last_warning = ""
        self._odd: set[str] = set()

    def drain(self) -> None:
        """Begin nothing new."""
        self._draining.set()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread within `timeout` seconds, after a round under way."""
        self.drain()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Probe, sweep, search for orphans, sleep."""
        rounds_from = 0.0
        while not self._draining.wait(ROUND_INTERVAL_S):
            try:
                self._probe.run()
                if time.monotonic() >= rounds_from:
                    self._round()
            except (LedgerUnavailable, StorageError, WrongOwner) as error:
                self._warn(str(error))
                rounds_from = time.monotonic() + RETRY_DELAY_S
            except Exception:  # one bad entry must not keep all later ones from being deleted
                log.exception("housekeeping failed; it goes on")
                rounds_from = time.monotonic() + RETRY_DELAY_S

    def _round(self) -> None:
        self._check_store()
        taken = self._sweep.due(
            every=ROUND_INTERVAL_S * 0.8
        )  # less than a round, so that a single worker's claim succeeds
        while taken.more and not self._draining.is_set():
            taken = self._sweep.due()
        if taken.promised:
            self._purge.keep_promises(taken.promised)
        if self._claim_periodic_task("patrol", ORPHAN_INTERVAL_S):
            self._find_orphans()
        self._last_warning = ""

    def _find_orphans(self) -> None:
        self._janitor.check_owner()
        found = self._janitor.next_part()
        if found.names:
            log.warning("the janitor found orphans, and deletes them: %s", dict(found.orphans))
        new = sorted(set(found.odd) - self._odd)
        if new and len(self._odd) < ODD_NAMES_LOGGED:
            log.warning("the janitor passes over names in the store that are not ours: %s", sample(new))
            self._odd.update(new)
        if self._claim_periodic_task("tidy", ABANDONED_INTERVAL_S):
            self._janitor.abandoned()

    def _warn(self, sentence: str) -> None:
        if sentence != self._last_warning:
            log.warning("housekeeping waits: %s", sentence)
        self._last_warning = sentence
