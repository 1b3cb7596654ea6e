"""The session of one worker process."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from swapline_producer.contract.answers import Opened, OpenedBatch
from swapline_workers.core.log_events import LogEvent
from swapline_workers.runtime.session.attempts import Attempts
from swapline_workers.runtime.session.dispatch import Dispatch
from swapline_workers.runtime.session.leases import Leases
from swapline_workers.runtime.session.moved_jobs import MovedJobs
from swapline_workers.runtime.session.outage import OutageRetry
from swapline_workers.runtime.session.unwritten_polls import UnwrittenPolls
from swapline_workers.runtime.session.view import LedgerView
from swapline_workers.runtime.session.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from swapline_producer.contract import Job
    from swapline_producer.contract.answers import Claimed, Released
    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher

log = logging.getLogger(__name__)

Record = TypeVar("Record", Opened, OpenedBatch)


class JobSession:
    """Leases, writes, dispatch and the view of the ledger. Thread-safe."""

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        *,
        schedule_wakeup: Callable[[int], None],
        has_pictures: Callable[[Job], bool] = lambda _: False,
        pause: Callable[[float], None] = time.sleep,
        view: LedgerView | None = None,
    ) -> None:
        """See `Dispatch`, `MovedJobs` and `OutageRetry`."""
        self._ledger = ledger
        self._moved_jobs = MovedJobs(has_pictures)
        self.leases = Leases()
        self.view = view or LedgerView()
        self.dispatch = Dispatch(publisher, schedule_wakeup)
        self.outage = OutageRetry(pause)
        self.attempts = Attempts(ledger, self.leases, self.dispatch)
        self._polls = UnwrittenPolls(ledger, self._moved_jobs, self.view)
        self.writes = Writes(
            ledger,
            leases=self.leases,
            moved_jobs=self._moved_jobs,
            dispatch=self.dispatch,
            outage=self.outage,
            view=self.view,
            polls=self._polls,
            attempts=self.attempts,
        )

    @contextmanager
    def lease(self, job_id: str, version: int) -> Generator[Opened | None]:
        """Lease a job for a step; None for a stale message, or while draining."""
        with self._lease(job_id, version, self._open) as opened:
            if opened is not None:
                self.view.opened(opened)
            yield opened

    @contextmanager
    def lease_batch(self, record_id: str, version: int) -> Generator[OpenedBatch | None]:
        """Lease a completed batch, by its record's id."""
        with self._lease(record_id, version, self._ledger.batches.open) as opened:
            yield opened

    def claim(self, *, dispatcher: str = "dispatcher", limit: int = 200) -> Claimed:
        """Write this process's polls, and claim at most `limit` due entries. Raises LedgerUnavailable."""
        return self._polls.claim(dispatcher, limit)

    def write_polls(self) -> None:
        """Write this process's polls now: it will not claim any more. Raises LedgerUnavailable."""
        self._polls.write()

    def drain(self) -> None:
        """Lease no more, and let no paid call begin."""
        self.leases.draining = True

    def release(self, jobs: Iterable[tuple[str, int]]) -> Released:
        """Make jobs (job id, version) due elsewhere, except for paid calls under way."""
        return self._ledger.transitions.release(jobs)

    @contextmanager
    def _lease(
        self, record_id: str, version: int, read: Callable[[str, int], Record | None]
    ) -> Generator[Record | None]:
        opened = None
        if self.leases.draining:
            self.release([(record_id, version)])
        elif not self._is_leased(record_id, version):
            opened = read(record_id, version)
        if opened is None:
            yield None
            return
        self.view.set_time(opened.at)
        with self.leases.lease(record_id, version):
            yield opened

    def _open(self, job_id: str, version: int) -> Opened | None:
        job = self._moved_jobs.take(job_id, version)
        if job is None:
            return self._ledger.transitions.open(job_id, version)
        view = self.view
        return Opened(job=job, at=view.now(), waiting=view.jobs_wait(), in_flight=view.in_flight())

    def _is_leased(self, job_id: str, version: int) -> bool:
        """Whether this process has this job at this version or later, or is bringing it there.

        After an outage a due message may come while a thread waits for its write's reply.
        """
        here = self.leases.version_of(job_id) or 0
        if here > version:
            self._warn_if_behind(job_id, here)
        return here >= version or self.leases.is_written(job_id) or self._polls.has(job_id, version)

    def _warn_if_behind(self, job_id: str, here: int) -> None:
        """Log where the ledger has lost what this process wrote; an older message is only late."""
        there = self._ledger.jobs.version_of(job_id)
        if there is not None and there < here:
            log.warning(
                "ledger is behind this worker: job %s has version %d here and %d there; what is known here is written "
                "again",
                job_id,
                here,
                there,
                extra={"event_name": LogEvent.LEDGER_BEHIND},
            )
