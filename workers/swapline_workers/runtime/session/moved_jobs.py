"""The cache of what this process wrote last, so that the next step need not read it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from swapline_producer.contract import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract import Job

MOST_JOBS = 2000
"""Jobs in the cache, about 6 MB."""


class MovedJobs:
    """Jobs at the version that this process wrote, each for one step. Thread-safe.

    Each write checks version and cancellation anyway. Only repeatable steps begin from here.
    """

    def __init__(self, has_pictures: Callable[[Job], bool]) -> None:
        """`has_pictures`: whether a job's pictures are in this process's memory."""
        self._has_pictures = has_pictures
        self._jobs: dict[str, Job] = {}

    def remember(self, job: Job) -> None:
        """Keep a job whose next step may begin from it."""
        if job.state in {State.RUNNING, State.STORING}:
            self._jobs[job.job_id] = job
            while len(self._jobs) > MOST_JOBS:
                with suppress(KeyError, RuntimeError):  # another thread removed it
                    del self._jobs[next(iter(self._jobs))]

    def take(self, job_id: str, version: int) -> Job | None:
        """Remove and return a job, or None."""
        job = self._jobs.pop(job_id, None)
        if job is None or job.version != version:
            return None
        return job if job.state is not State.STORING or self._has_pictures(job) else None
