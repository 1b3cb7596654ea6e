"""Jobs that this process knows, so that the next step need not read them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract import Notification, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract import Job

MOST_JOBS = 2000
"""Jobs in the cache, about 6 MB."""

WEBHOOK_AGE_S = 1.0
"""A webhook begins from here within this time only: nothing else but what was read fences a delivery."""


class Known(NamedTuple):
    """A job at its version, and when that was known (monotonic seconds)."""

    version: int
    read: Callable[[], Job]
    at: float


class MovedJobs:
    """Jobs as this process wrote or received them, each for one step. Thread-safe.

    Each write checks version and cancellation anyway.
    """

    def __init__(self, has_pictures: Callable[[Job], bool]) -> None:
        """`has_pictures`: whether a job's pictures are in this process's memory."""
        self._has_pictures = has_pictures
        self._jobs: dict[str, Known] = {}

    def remember(self, job: Job) -> None:
        """Keep a job whose next step may begin from it."""
        if job.state in {State.RUNNING, State.STORING} or job.notification is Notification.PENDING:
            self._keep(job.job_id, job.version, lambda: job)

    def remember_granted(self, job_id: str, version: int, read: Callable[[], Job]) -> None:
        """Keep a job that was just given a slot; `read` may raise UnreadableRecord."""
        self._keep(job_id, version, read)

    def take(self, job_id: str, version: int) -> Job | None:
        """Remove and return a job, or None."""
        known = self._jobs.pop(job_id, None)
        if known is None or known.version != version:
            return None
        job = known.read()
        return job if self._may_begin(job, known.at) else None

    def _keep(self, job_id: str, version: int, read: Callable[[], Job]) -> None:
        self._jobs[job_id] = Known(version, read, time.monotonic())
        while len(self._jobs) > MOST_JOBS:
            with suppress(KeyError, RuntimeError):  # another thread removed it
                del self._jobs[next(iter(self._jobs))]

    def _may_begin(self, job: Job, known_at: float) -> bool:
        if job.state is State.STORING:
            return self._has_pictures(job)
        return job.state in {State.SUBMITTING, State.RUNNING} or time.monotonic() < known_at + WEBHOOK_AGE_S
