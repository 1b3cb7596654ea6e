"""What is true outside the pipeline: what the vendor charged, what receivers got, what the store holds."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from support.jobs.fakes import FakeReply, FakeStatusReply
from support.pictures.pngs import png
from swapline_producer.contract import BatchEvent, FailureCode
from swapline_producer.storage.keys import INPUTS
from swapline_workers import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simulation.accounts import Account
    from simulation.world import World
    from swapline_producer.contract import SwapEvent
    from swapline_producer.storage import Storage, StoredObject

SLOWEST_ANSWER_S = 30.0
"""Of a paid call: half its timeout."""
REFUSED, FAILED, COMPLETED = "refused", "failed", "completed"


@cache
def picture_of(number: int) -> bytes:
    """The only picture of a job."""
    return png(3, 2, seed=number + 1)


@cache
def photograph_of(number: int) -> bytes:
    """A photograph that customers send; several send the same."""
    return png(4, 2, seed=number + 1)


def number_of(job_id: str) -> int:
    """Return the number in a job's id."""
    return int(job_id[1:])


@dataclass
class VendorJob:
    """A job at the vendor."""

    job_id: str
    account: str
    done_at: float
    ends: str


@dataclass
class VendorTruth:
    """The vendor: it knows its accounts by their keys, charges at once, and refuses what is over an account's cap."""

    world: World
    mean_service: float
    fate: dict[str, str] = field(default_factory=dict)
    """What becomes of a job: refused, failed or completed."""
    charged: Counter[str] = field(default_factory=Counter)
    charged_on: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The accounts that were charged for a job, one for each time."""
    calls: Counter[str] = field(default_factory=Counter)
    jobs: dict[tuple[str, str], VendorJob] = field(default_factory=dict)
    """By address and id: at two addresses one id may be two jobs."""
    issued: dict[str, Account] = field(default_factory=dict)
    """Every key that there ever was."""
    slow_until: float = 0.0
    """Until then it answers paid calls late."""

    def __post_init__(self) -> None:
        self.issued = {account.key: account for account in self.world.accounts.values()}

    def submit(self, key: str, job_id: str) -> FakeReply:
        self.calls[job_id] += 1
        account = self._admitted(key)
        now, rng = self.world.scheduler.now, self.world.rng
        if self.fate[job_id] == REFUSED:
            raise errors.Refused("422", code=FailureCode.FILTER_NOT_FOUND)
        if account.empty:
            raise errors.OutOfCredits("402")
        if sum(job.account == account.name and job.done_at > now for job in self.jobs.values()) >= account.cap:
            raise errors.Throttled("429: over the cap", retry_after=2.0)
        if self.world.faults.raging and rng.random() < 0.01:
            raise errors.Throttled("429", retry_after=1.0)
        self.charged[job_id] += 1
        self.charged_on[job_id].append(account.name)
        done_at = now + rng.lognormvariate(0.0, 0.5) * self.mean_service * account.pace
        address = account.settings.base_url
        vendor_job_id = f"v{sum(at == address for at, _ in self.jobs)}"
        self.jobs[address, vendor_job_id] = VendorJob(job_id, account.name, done_at, self.fate[job_id])
        if self.world.faults.raging and rng.random() < 0.003:
            self.world.note(f"the vendor answers {job_id}'s paid call with 500")
            self.world.excused.add(job_id)
            raise errors.Unclear("500")
        if now < self.slow_until:
            self.world.sleep(rng.random() * SLOWEST_ANSWER_S)
        return FakeReply(vendor_job_id)

    def _admitted(self, key: str) -> Account:
        account = self.issued[key]
        if account.down:
            raise errors.NotSent("no connection")
        if account.revoked or key not in account.valid:
            raise errors.Unauthorized("401")
        return account

    def ids_of(self, job_id: str, account: str) -> list[str]:
        """Return the vendor's ids of a job, as the records of an account have them."""
        return [name for (_, name), job in self.jobs.items() if (job.job_id, job.account) == (job_id, account)]

    def poll(self, key: str, vendor_job_id: str) -> FakeStatusReply:
        account = self._admitted(key)
        if self.world.faults.raging and (strange := self.world.rng.random()) < 0.03:
            self._strange(strange)
        job = self.jobs.get((account.settings.base_url, vendor_job_id))
        if job is None or job.account != account.name:
            self.world.wrong.append(f"{vendor_job_id} was polled with the key of {account.name}, which is not its own")
            raise errors.NotFound("404")
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
    events: defaultdict[str, list[tuple[str, SwapEvent]]] = field(default_factory=lambda: defaultdict(list))
    """Of jobs, by job."""

    def receive(self, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> int:
        assert tenant
        if self.world.faults.raging and self.world.rng.random() < 0.02:
            raise errors.WebhookFailed("503", status=503)
        if isinstance(event, BatchEvent):
            self.world.batches.receive(webhook_id, event)
        else:
            self.events[event.data.job_id].append((webhook_id, event))
        return 204


class StoreTruth:
    """The store: whatever it holds, a receipt names only pictures that are there."""

    def __init__(self, world: World, storage: Storage) -> None:
        self._world = world
        self._storage = storage
        self._written_at: dict[str, float] = {}
        self._sizes: dict[str, int] = {}
        """Of all that was ever stored: what a cancellation drops meanwhile was there."""

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:
        self._written_at.setdefault(key, self._world.wall())
        return self._storage.put_once(key, data, content_type)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._written_at.pop(key, None)
            if key.startswith(f"{INPUTS}/"):
                self._world.uploads.deleted(key.removeprefix(f"{INPUTS}/"))
            self._storage.delete([key])

    def list(self, prefix: str = "", *, after: str = "", **_more: Any) -> Iterator[StoredObject]:
        for found in self._storage.list(prefix, after=after):
            yield found._replace(modified_at=round(1000 * self._written_at.get(found.key, 0.0)))

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self._written_at[key] = self._world.wall()
        self._sizes[key] = len(data)
        if key.endswith("receipt.json"):
            for image in json.loads(data)["images"]:
                if self._sizes.get(image["key"]) != image["bytes"]:
                    self._world.wrong.append(f"the receipt {key} was written before its picture")
        self._storage.put(key, data, content_type)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)
