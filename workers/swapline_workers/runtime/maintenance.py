"""Housekeeping: deletes what is not needed any more, and looks for what nobody wrote down. Every worker does it.

None is special: who comes first does a round, and the ledger tells the others that it is done. A worker that is killed
in a round leaves the rest of it to the next one.
"""

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
    from swapline_workers.runtime.store_probe import StoreProbe

log = logging.getLogger(__name__)

ROUND = 1.0
"""Seconds between two rounds of all workers together: so long after its last job an input is still there."""

PATROL = 60.0
"""Seconds between two parts of the search for orphans: a thousand objects of each area a minute, a million a day."""

TIDY = 3600.0
"""Seconds between two searches for half-written files, which walk through a whole folder."""

AWAY = 15.0
"""Seconds until a store or a ledger that is away is tried again: nothing waits for this."""

ODD_TOLD = 1000
"""Names that are not ours of which a worker speaks, each once."""


class Housekeeping(threading.Thread):
    """Sweeps until it is stopped."""

    def __init__(
        self,
        sweep: Sweep,
        purge: Purge,
        janitor: Janitor,
        claim_periodic_task: Callable[[str, float], bool],
        probe: StoreProbe,
        check_store: Callable[[], None],
    ) -> None:
        """`check_store` is called in each round, and raises where nothing may be deleted.

        `claim_periodic_task` says whether this worker does a chore that is due once in so many seconds.
        """
        super().__init__(name="swapline-housekeeping", daemon=True)
        self._sweep = sweep
        self._purge = purge
        self._janitor = janitor
        self._claim_periodic_task = claim_periodic_task
        self._probe = probe
        self._check_store = check_store
        self._retired = threading.Event()
        self._said = ""
        self._odd: set[str] = set()

    def drain(self) -> None:
        """Begin nothing new."""
        self._retired.set()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread; a round under way is finished first, if that takes no longer than `timeout` seconds."""
        self.drain()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Probe, sweep, patrol, sleep."""
        rounds_from = 0.0
        while not self._retired.wait(ROUND):
            try:
                self._probe.run()
                if time.monotonic() >= rounds_from:
                    self._round()
            except (LedgerUnavailable, StorageError, WrongOwner) as error:
                self._say(str(error))
                rounds_from = time.monotonic() + AWAY
            except Exception:  # one bad entry must not keep a person's pictures for ever
                log.exception("housekeeping failed; it goes on")
                rounds_from = time.monotonic() + AWAY

    def _round(self) -> None:
        self._check_store()
        taken = self._sweep.due(every=ROUND * 0.8)  # a little less than a round, so that one worker's own comes through
        while taken.more and not self._retired.is_set():
            taken = self._sweep.due()
        if taken.promised:
            self._purge.keep_promises(taken.promised)
        if self._claim_periodic_task("patrol", PATROL):
            self._patrol()
        self._said = ""

    def _patrol(self) -> None:
        self._janitor.check_owner()
        found = self._janitor.next_part()
        if found.names:
            log.warning("the janitor found orphans, and deletes them: %s", dict(found.orphans))
        new = sorted(set(found.odd) - self._odd)
        if new and len(self._odd) < ODD_TOLD:
            log.warning("the janitor passes over names in the store that are not ours: %s", sample(new))
            self._odd.update(new)
        if self._claim_periodic_task("tidy", TIDY):
            self._janitor.abandoned()

    def _say(self, sentence: str) -> None:
        """Say once what is wrong, and again only after it was right."""
        if sentence != self._said:
            log.warning("housekeeping waits: %s", sentence)
        self._said = sentence
