"""The jobs of one demo run: enqueue and follow them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_producer.contract import Notification, State
from swapline_workers.local.demo.receiver import read_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swapline_producer.contract import Job
    from swapline_producer.producer import Producer
    from swapline_workers.local.demo.jobs import DemoJob
    from swapline_workers.local.supervision.supervisor import Supervisor

_CHECK_INTERVAL_S = 0.1
"""A reader takes it for immediate."""
_TIMEOUT_S = 120.0
"""Ten times what a demo needs."""


@dataclass(frozen=True)
class Entry:
    """A demo job and its latest state."""

    number: int
    demo_job: DemoJob
    job: Job
    verified: bool
    """The receiver has its webhook with a valid signature."""

    @property
    def ended(self) -> bool:
        """Whether neither job nor notification will change any more."""
        return self.job.state is State.HELD or (
            self.job.state.finished and self.job.notification is not Notification.PENDING
        )

    @property
    def good(self) -> bool:
        """Whether the job succeeded and its webhook was verified."""
        return self.job.state is State.SUCCEEDED and self.verified


class DemoRun:
    """The jobs of one run."""

    def __init__(self, producer: Producer, record: Path, supervisor: Supervisor) -> None:
        """`record`: the receiver's file."""
        self._producer = producer
        self._record = record
        self._supervisor = supervisor
        self._jobs: list[tuple[DemoJob, str]] = []

    def enqueue(self, demo_job: DemoJob) -> None:
        """Enqueue one job."""
        self._jobs.append((demo_job, self._producer.enqueue(demo_job.request).job_id))

    def wait(self, show: Callable[[list[Entry]], None]) -> list[Entry]:
        """Show the jobs until their end or a timeout. Raises ChildFailed."""
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            entries = self._entries()
            show(entries)
            if all(entry.ended for entry in entries) or time.monotonic() > deadline:
                return entries
            self._supervisor.tick()
            time.sleep(_CHECK_INTERVAL_S)

    def _entries(self) -> list[Entry]:
        """Read jobs before the record, which then has each delivered webhook."""
        jobs = [self._producer.get(job_id) for _, job_id in self._jobs]
        verified = {delivery.job_id for delivery in read_record(self._record) if delivery.verified}
        return [
            Entry(number, demo_job, job, job.job_id in verified)
            for number, ((demo_job, _), job) in enumerate(zip(self._jobs, jobs, strict=True), start=1)
        ]
