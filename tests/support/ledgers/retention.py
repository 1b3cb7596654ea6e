"""A ledger and a store for tests, with jobs at every stage that no worker touches."""

from __future__ import annotations

import time as wall
from typing import TYPE_CHECKING

from support.jobs.publishers import NullPublisher
from support.pictures.pngs import png
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import FailureCode, Job, State, StoredPicture
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.retention.orphans import Janitor
from swapline_producer.retention.sweep import Sweep
from swapline_producer.storage.keys import OWNER, receipt_key, result_key

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage

HOUR = 3600.0


class Place:
    """A ledger and a store, and jobs in them at every stage; `later` is the age of its objects."""

    def __init__(self, ledger: Ledger, storage: Storage) -> None:
        self.ledger = ledger
        self.storage = storage
        self.producer = Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, NullPublisher(), storage)
        self.sweep = Sweep(ledger, storage)
        self.number = 0

    def janitor(self, *, later: float = 2 * HOUR, result_ttl: float | None = None) -> Janitor:
        return Janitor(self.ledger, self.storage, result_ttl=result_ttl, wall=lambda: wall.time() + later)

    def clean(self, **how: float) -> None:
        janitor = self.janitor(**how)
        janitor.check_owner()
        janitor.everything(limit=10_000, dry=False)
        self.sweep.all_due()

    def objects(self) -> set[str]:
        return {found.key for found in self.storage.list() if found.key != OWNER}

    def queued(self, **values: object) -> Job:
        self.number += 1
        picture = png(seed=self.number)
        return self.producer.get(
            self.producer.enqueue(SwapRequest(image=picture, gender=0, filter_id=1, **values)).job_id
        )

    def storing(self, **values: object) -> Job:
        job = self.queued(**values)
        at_the_vendor = {"vendor_job_id": f"v-{job.job_id}", "credits": 2}
        for change in (
            Change(to=State.RUNNING, fields=at_the_vendor, stamps={"run_until": 60}),
            Change(to=State.STORING, stamps={"storing_since": 0}, due_in=10),
        ):
            advanced = self.ledger.transitions.advance(job, change)
            assert isinstance(advanced, Advanced)
            job = advanced.job
        self.storage.put(result_key(job, 0), b"result", "image/png")
        return job

    def succeeded(self, **values: object) -> Job:
        job = self.storing(**values)
        key = result_key(job, 0)
        self.storage.put(receipt_key(job), b"{}", "application/json")
        images = (StoredPicture(key=key, sha256="0", bytes=6, width=1, height=1),)
        advanced = self.ledger.transitions.advance(job, Change(to=State.SUCCEEDED, fields={"images": images}))
        assert isinstance(advanced, Advanced)
        return advanced.job

    def failed(self, job: Job) -> None:
        fields = {"failure_code": FailureCode.VENDOR_FAILED}
        assert isinstance(self.ledger.transitions.advance(job, Change(to=State.FAILED, fields=fields)), Advanced)
