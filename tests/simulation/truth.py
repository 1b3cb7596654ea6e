"""What is true outside the pipeline: what the vendor charged, what receivers got, what the store holds."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from support.fakes import FakeReply, FakeStatusReply
from support.pngs import png
from swapline_producer.contract import FailureCode
from swapline_workers import errors

if TYPE_CHECKING:
    from simulation.world import World
    from swapline_producer.contract import BatchEvent, SwapEvent
    from swapline_producer.storage import Storage

REFUSED, FAILED, COMPLETED = "refused", "failed", "completed"


@cache
def picture_of(number: int) -> bytes:
    """The only picture of a job."""
    return png(3, 2, seed=number + 1)


def number_of(job_id: str) -> int:
    """Return the number in a job's id."""
    return int(job_id[1:])


@dataclass
class VendorJob:
    """A job at the vendor."""

    job_id: str
    done_at: float
    ends: str


@dataclass
class VendorTruth:
    """The vendor: it charges at once, and refuses what is over its cap."""

    world: World
    cap: int
    mean_service: float
    fate: dict[str, str] = field(default_factory=dict)
    """What becomes of a job: refused, failed or completed."""
    charged: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    jobs: dict[str, VendorJob] = field(default_factory=dict)
    over_cap: int = 0

    def submit(self, job_id: str) -> FakeReply:
        self.calls[job_id] += 1
        now, rng = self.world.scheduler.now, self.world.rng
        if self.fate[job_id] == REFUSED:
            raise errors.Refused("422", code=FailureCode.FILTER_NOT_FOUND)
        if sum(job.done_at > now for job in self.jobs.values()) >= self.cap:
            self.over_cap += 1
            raise errors.Throttled("429: over the cap", retry_after=2.0)
        if self.world.faults.raging and rng.random() < 0.01:
            raise errors.Throttled("429", retry_after=1.0)
        self.charged[job_id] += 1
        vendor_job_id = f"v{number_of(job_id)}-{self.charged[job_id]}"
        done_at = now + rng.lognormvariate(0.0, 0.5) * self.mean_service
        self.jobs[vendor_job_id] = VendorJob(job_id, done_at, self.fate[job_id])
        if self.world.faults.raging and rng.random() < 0.003:
            self.world.note(f"the vendor answers {job_id}'s paid call with 500")
            self.world.excused.add(job_id)
            raise errors.Unclear("500")
        return FakeReply(vendor_job_id)

    def poll(self, vendor_job_id: str) -> FakeStatusReply:
        if self.world.faults.raging and (strange := self.world.rng.random()) < 0.03:
            self._strange(strange)
        job = self.jobs[vendor_job_id]
        if self.world.scheduler.now < job.done_at:
            return FakeStatusReply("IN_PROGRESS")
        if job.ends == FAILED:
            return FakeStatusReply("FAILED", failure="INVALID_IMAGE")
        if self.world.faults.raging and self.world.rng.random() < 0.01:
            return FakeStatusReply("COMPLETED", errors.Unclear("cut among the pictures"))
        return FakeStatusReply("COMPLETED", [picture_of(number_of(job.job_id))])

    def _strange(self, strange: float) -> None:
        if strange < 0.01:
            raise errors.Unclear("502")
        if strange < 0.02:
            raise errors.Throttled("429", retry_after=1.0)
        if strange < 0.024:
            raise errors.NotFound("404")


@dataclass
class ReceiverTruth:
    """The receivers' record: which events came, under which id."""

    world: World
    events: defaultdict[str, list[tuple[str, SwapEvent | BatchEvent]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def receive(self, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> int:
        assert tenant
        if self.world.faults.raging and self.world.rng.random() < 0.02:
            raise errors.WebhookFailed("503", status=503)
        self.events[str(getattr(event.data, "job_id", ""))].append((webhook_id, event))
        return 204


class StoreTruth:
    """The store: whatever it holds, a receipt names only pictures that are there."""

    def __init__(self, world: World, storage: Storage) -> None:
        self._world = world
        self._storage = storage

    def put(self, key: str, data: bytes, content_type: str) -> None:
        if key.endswith("receipt.json"):
            for image in json.loads(data)["images"]:
                if self._storage.head(image["key"]) != image["bytes"]:
                    self._world.wrong.append(f"the receipt {key} was written before its picture")
        self._storage.put(key, data, content_type)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)
