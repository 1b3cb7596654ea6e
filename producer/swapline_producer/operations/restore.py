"""Recovery of a ledger restored from a backup, before the first worker runs.

A job that waits in the backup may have been paid since: it ends SUCCEEDED by its receipt, or is HELD. See decision
0032.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import Job, State, transitions
from swapline_producer.contract.answers import Advanced
from swapline_producer.errors import NotPossible
from swapline_producer.storage.receipts import find_receipt

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage

UNPAID = (State.QUEUED, State.SUBMITTING)

OPEN = (State.HELD, *UNPAID, State.RUNNING, State.STORING)
"""HELD first, so that what is held here is not read again."""

PAGE = 500
"""Jobs of one round trip: some hundred kilobytes."""

READERS = 16
"""Receipts read at once."""

SILENCE = 15_000
"""Milliseconds without a claim; each worker claims every 5 s."""


@dataclass
class Restored:
    """Ids: ended by receipts, held for a person, or continued by workers."""

    succeeded: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    continued: list[str] = field(default_factory=list)


def after_restore(ledger: Ledger, storage: Storage, *, dry_run: bool = False) -> Restored:
    """Settle what the backup cannot know; repeatable.

    Raises NotPossible while workers run, LedgerUnavailable, StorageError: nothing is submitted until it has run to its
    end.
    """
    ago = ledger.stats.since_last_claim()
    if ago is not None and ago < SILENCE:
        raise NotPossible(
            f"A worker runs: it claimed jobs {ago / 1000:.0f} s ago. Stop every worker, then run it again."
        )
    if dry_run:
        return _Settling(ledger, storage, changes=False).run()
    ledger.limits.suspend_slots()  # no slot is given to a job while it is decided what to do with it
    done = _Settling(ledger, storage, changes=True).run()
    ledger.limits.resume_slots()
    return done


class _Settling:
    def __init__(self, ledger: Ledger, storage: Storage, *, changes: bool) -> None:
        self._ledger = ledger
        self._storage = storage
        self._changes = changes
        self._done = Restored()

    def run(self) -> Restored:
        ids = [(state, job_id) for state in OPEN for job_id in self._ledger.jobs.list_ids(state, limit=10**9)]
        with ThreadPoolExecutor(READERS, thread_name_prefix="swapline-receipts") as pool:
            for first in range(0, len(ids), PAGE):
                jobs = self._ledger.jobs.get_many([job_id for _, job_id in ids[first : first + PAGE]])
                for job, receipt in zip(jobs, pool.map(partial(find_receipt, self._storage), jobs), strict=True):
                    self._settle(job, receipt)
        return self._done

    def _settle(self, job: Job, receipt: dict[str, Any] | None) -> None:
        if receipt is not None:
            self._write(job, transitions.restored(job, receipt), self._done.succeeded)
        elif job.state in UNPAID and not job.attempt_open:  # an open attempt is held by its rescue, as ever
            self._write(job, transitions.held_after_restore(job), self._done.held)
        elif job.state is not State.HELD:
            self._done.continued.append(job.job_id)

    def _write(self, job: Job, change: Change, done: list[str]) -> None:
        if not self._changes or isinstance(self._ledger.transitions.advance(job, change), Advanced):
            done.append(job.job_id)
