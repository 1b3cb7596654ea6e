"""The demo's story: start everything, put photographs in, watch, and show what came out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_producer.contract import Notification, State
from swapline_workers.local.receiver import read_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swapline_producer.contract import Job
    from swapline_producer.producer import Producer
    from swapline_workers.local.demo.jobs import DemoJob, Photograph
    from swapline_workers.local.supervisor import Supervisor

_CHECK_INTERVAL_S = 0.1
"""Seconds between two looks at the jobs: what a watcher takes for live."""
_PATIENCE = 120.0
"""Seconds until a demo that does not come to its end is called failed: ten times what it needs."""


@dataclass(frozen=True)
class Entry:
    """A wish and what has become of it so far."""

    number: int
    demo_job: DemoJob
    job: Job
    verified: bool
    """A webhook of this job came, and its signature is right."""

    @property
    def title(self) -> str:
        """The job in a few words."""
        photograph: Photograph = self.demo_job.photograph
        return f"{self.number}. {photograph.name}"

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to it."""
        told = self.job.notification in {Notification.DELIVERED, Notification.DEAD, Notification.NONE}
        return self.job.state is State.HELD or (self.job.state.finished and told)

    @property
    def good(self) -> bool:
        """Whether everything went as it should."""
        return self.job.state is State.SUCCEEDED and self.verified


class Run:
    """The jobs of one run."""

    def __init__(self, producer: Producer, record: Path, supervisor: Supervisor) -> None:
        """Give jobs through `producer`; `record` is what the webhook receiver writes."""
        self._producer = producer
        self._record = record
        self._supervisor = supervisor
        self._given: list[tuple[DemoJob, str]] = []

    def give(self, demo_job: DemoJob) -> None:
        """Enqueue one wish."""
        self._given.append((demo_job, self._producer.enqueue(demo_job.request).job_id))

    def entries(self) -> list[Entry]:
        """Look at everything once: the jobs first, because a webhook that a job calls delivered is in the record."""
        jobs = [self._producer.get(job_id) for _, job_id in self._given]
        verified = {delivery.job_id for delivery in read_record(self._record) if delivery.verified}
        return [
            Entry(number, demo_job, job, job.job_id in verified)
            for number, ((demo_job, _), job) in enumerate(zip(self._given, jobs, strict=True), start=1)
        ]

    def watch(self, show: Callable[[list[Entry]], None]) -> list[Entry]:
        """Show the jobs until all are settled, or patience is over. Raises ChildFailed when a service ends."""
        give_up_at = time.monotonic() + _PATIENCE
        while True:
            entries = self.entries()
            show(entries)
            if all(entry.settled for entry in entries) or time.monotonic() > give_up_at:
                return entries
            self._supervisor.tick()
            time.sleep(_CHECK_INTERVAL_S)
