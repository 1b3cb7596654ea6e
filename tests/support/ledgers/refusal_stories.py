"""Stories of jobs that are refused: real steps and Lua, a vendor that dislikes some jobs, and time that a test moves.

Time moves on to the next moment that a worker would wake up for; slots that are empty meanwhile are added up.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from support.jobs.fakes import FakePictures, FakeReply, FakeStatusReply
from support.ledgers.small_world import SmallWorld, Vendor, pictures_of
from support.redis.fixtures import new_job
from swapline_producer.contract import LinkedImage, State, StoredImage
from swapline_producer.contract.accounts import Limits
from swapline_producer.errors import StorageUnavailable
from swapline_workers import errors
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.ledgers.small_world import WatchedLedger
    from support.redis.fixtures import Time
    from swapline_producer.contract import ApiVersion, Job, JobSpec

SERVICE = 2.0
"""Seconds that the vendor works on a job."""

REFUSALS: dict[str, Callable[[], errors.VendorError]] = {
    "401": lambda: errors.Unauthorized("the vendor answered 401: the key"),
    "402": lambda: errors.OutOfCredits("the vendor answered 402: no credits"),
    "403": lambda: errors.Unauthorized("the vendor answered 403: forbidden"),
    "404": lambda: errors.NotFound("the vendor answered 404: no such address"),
    "429": lambda: errors.Throttled("the vendor answered 429: slow down"),
    "429, Retry-After": lambda: errors.Throttled("the vendor answered 429: slow down", retry_after=4.0),
}


class PickyVendor(Vendor):
    """Refuses some jobs in their own way, and every job while `down` is set."""

    def __init__(self, world: SmallWorld) -> None:
        super().__init__(world.pauses)
        self.time = world.time
        self.dislikes: dict[str, str] = {}
        self.polls_refused: set[str] = set()
        self.down: str | None = None
        self.cap: int | None = None
        self.service = SERVICE
        self.done_at: dict[str, int] = {}
        self.refused: list[str] = []

    def submit(self, spec: JobSpec, image: str) -> FakeReply:
        assert image
        name = spec.metadata["name"]
        self.calls[name] += 1
        how = self.down or self.dislikes.get(name)
        if self.cap is not None and sum(at > self.time() for at in self.done_at.values()) >= self.cap:
            how = "429"
        if how is not None:
            self.refused.append(name)
            error = REFUSALS[how]()
            raise error
        self.charged[name] += 1
        self.done_at[name] = self.time() + round(self.service * 1000)
        return FakeReply(vendor_job_id=name)

    @contextmanager
    def poll(self, vendor_job_id: str, version: ApiVersion) -> Generator[FakeStatusReply]:
        assert version
        if self.down or vendor_job_id in self.polls_refused:
            raise errors.Unauthorized("the vendor answered 401")
        done = self.time() >= self.done_at[vendor_job_id]
        yield FakeStatusReply("COMPLETED", pictures_of("h0")) if done else FakeStatusReply("IN_PROGRESS")


@dataclass
class PickyPictures(FakePictures):
    """A store that cannot read some of its inputs."""

    unreadable: set[str] = field(default_factory=set)

    def input_text(self, spec: JobSpec) -> str:
        if isinstance(spec.image, StoredImage) and spec.image.sha256 in self.unreadable:
            raise StorageUnavailable("an input/output error")
        return super().input_text(spec)


class Shop:
    """One installation, its time, and what its slots did."""

    def __init__(self, ledger: WatchedLedger, time: Time, slots: int) -> None:
        self.world = SmallWorld(ledger, time)
        self.ledger = ledger
        self.time = time
        self.slots = slots
        self.vendor = self.world.vendor = PickyVendor(self.world)
        self.pictures = PickyPictures()
        self.world.ports = replace(self.world.ports, vendor=self.vendor, pictures=self.pictures)
        self.idle = 0.0
        ledger.limits.configure(Limits(max_in_flight=slots, rescue_after=15))
        ledger.transitions.claim(ROUTES)

    def enqueue(self, *names: str, sha: str | None = None, queue_ttl: float = 3600, **values: Any) -> None:
        for name in names:
            if sha is None:
                values["image"] = LinkedImage(url=f"https://pictures.example/{name}")
            else:
                self.ledger.retention.hold_input(sha, name)
                values["image"] = StoredImage(sha256=sha, media_type="image/png", width=9, height=9, size=9)
            job = new_job(name, queue_ttl=queue_ttl, metadata={"name": name}, **values)
            self.world.bag.send(self.ledger.intake.accept(job).messages)
            self.work()
            self.time.pass_(0.001)

    def work(self) -> None:
        while self.world.bag.messages:
            self.world.work(self.world.bag.messages.pop(0))

    def go_on(self, until: float = math.inf) -> None:
        """Go on to the next moment at which something is due, but not beyond one in milliseconds."""
        claimed = self.world.session.claim()
        self.world.bag.send(claimed.messages)
        self.work()
        timestamps = [
            timestamp for timestamp in (*self.world.wakeups, claimed.next_at) if timestamp and timestamp > self.time()
        ]
        self.world.wakeups[:] = timestamps
        step = min(min(timestamps, default=math.inf), until, self.time() + 60_000) - self.time()
        waits = [job for job in self.jobs(State.QUEUED) if not self.is_ill(job)]
        self.idle += step / 1000 * min(len(waits), max(0, self.slots - len(self.ledger.limits.slots().in_flight)))
        self.time.pass_(step / 1000)

    def is_ill(self, job: Job) -> bool:
        image = job.spec.image
        unreadable = isinstance(image, StoredImage) and image.sha256 in self.pictures.unreadable
        return unreadable or job.job_id in self.vendor.dislikes

    def run(self, seconds: float) -> None:
        until = self.time() + seconds * 1000
        while self.time() < until:
            self.go_on(until)

    def run_until(self, happened: Callable[[], bool], seconds: float = 600) -> None:
        """Let time pass until something has happened."""
        until = self.time() + seconds * 1000
        while not happened():
            assert self.time() < until, f"it did not happen: {[(job.job_id, job.state) for job in self.jobs()]}"
            self.go_on()

    def jobs(self, *states: State) -> list[Job]:
        ids = [job_id for state in states or State for job_id in self.ledger.jobs.list_ids(state)]
        return self.ledger.jobs.get_many(ids) if ids else []

    def get(self, name: str) -> Job:
        return self.ledger.jobs.get(name)

    def all_done(self, *names: str) -> bool:
        return all(self.get(name).state is State.SUCCEEDED for name in names)
