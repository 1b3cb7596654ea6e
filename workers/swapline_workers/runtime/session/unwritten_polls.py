"""Polls that found nothing new: this process's next claim writes them, so they cost no round trip and no flush.

A process that dies before has its jobs polled again when they are rescued.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract.changes import Polled
from swapline_producer.contract.transitions import apply
from swapline_producer.ledger import new_token
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_producer.contract.answers import Claimed
    from swapline_producer.contract.changes import Change
    from swapline_producer.ledger import Ledger
    from swapline_workers.runtime.session.moved_jobs import MovedJobs
    from swapline_workers.runtime.session.view import LedgerView


class _Poll(NamedTuple):
    job: Job
    change: Change
    token: str
    at: int
    """By the ledger's clock, in milliseconds."""


class UnwrittenPolls:
    """Polls of this process, oldest first. Thread-safe."""

    def __init__(self, ledger: Ledger, moved_jobs: MovedJobs, view: LedgerView) -> None:
        """Begin without polls."""
        self._ledger = ledger
        self._moved_jobs = moved_jobs
        self._view = view
        self._polls: dict[str, _Poll] = {}
        """By the change's name, which makes writing one twice harmless."""

    def add(self, job: Job, change: Change) -> None:
        """Have a change written with the next claim."""
        token = new_token()
        self._polls[token] = _Poll(job, change, token, self._view.now())

    def has(self, job_id: str, version: int) -> bool:
        """Whether a job's poll at this version or later is unwritten: an old message must not repeat it."""
        return any(poll.job.job_id == job_id and poll.job.version >= version for poll in self._all())

    def write(self) -> None:
        """Write each by a move, where no claim follows. Raises LedgerUnavailable."""
        for poll in self._all():
            self._ledger.transitions.advance(poll.job, poll.change, token=poll.token)
            self._polls.pop(poll.token, None)

    def claim(self, dispatcher: str, limit: int) -> Claimed:
        """Write them, and claim what is due. Raises LedgerUnavailable: then the next claim writes them."""
        polls, now = self._all(), self._view.now()
        polled = [Polled(each.job, each.change, each.token, max(0, now - each.at) / 1000) for each in polls]
        claimed = self._ledger.transitions.claim(ROUTES, dispatcher=dispatcher, limit=limit, polled=polled)
        for each in polls:
            if each.job.job_id in claimed.polled:
                self._moved_jobs.remember(apply(each.job, each.change, each.at))
            self._polls.pop(each.token, None)
        return claimed

    def _all(self) -> list[_Poll]:
        return list(self._polls.values())
