"""Small honest fakes of the steps' ports: they keep what they are given and raise what the test sets."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from swapline_producer.contract import Job, JobSpec, LinkedImage, State, transitions
from swapline_producer.contract.answers import Endpoint, LostRace
from swapline_producer.errors import ObjectMissing
from swapline_producer.storage.keys import receipt_key
from swapline_producer.storage.receipts import receipt_of, stored_pictures
from swapline_workers.core.bulkhead import DeliveryBulkhead
from swapline_workers.core.picture_memory import PictureMemory
from swapline_workers.core.policy import Policy
from swapline_workers.core.schedule.polling import Bounds
from swapline_workers.pictures.finisher import Finisher
from swapline_workers.settings import WEBHOOK_SCHEDULE, AmbiguousSubmit
from swapline_workers.steps.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from swapline_producer.contract import ApiVersion, Batch, BatchEvent, StoredPicture, SwapEvent
    from swapline_producer.contract.changes import Change
    from swapline_producer.storage import Storage
    from swapline_workers.core.outcomes import Refused
    from swapline_workers.core.picture_memory import Picture
    from swapline_workers.core.schedule.histogram import Histogram

AT = 1_000_000
"""The moment at which every unit test happens, in milliseconds."""


def spec(**values: Any) -> JobSpec:
    """A spec; only what matters to the test is named."""
    return JobSpec(
        **{"image": LinkedImage(url="https://pictures.example/me.jpg"), "gender": 0, "filter_id": 12} | values
    )


def job(state: State = State.QUEUED, *, webhook_url: str | None = None, **values: Any) -> Job:
    """A job; only what matters to the test is named."""
    base: dict[str, Any] = {
        "job_id": "0" * 32,
        "state": state,
        "version": 7,
        "spec": spec(webhook_url=webhook_url),
        "created_at": AT - 10_000,
        "queue_until": AT + 10_000,
        "run_timeout_ms": 60_000,
    }
    if state in {State.RUNNING, State.STORING}:
        base |= {"vendor_job_id": "job-abc-123", "submitted_at": AT - 5_000, "run_until": AT + 55_000, "credits": 2}
    if state is State.STORING:
        base |= {"terminal_at": AT - 1_000, "storing_since": AT - 1_000}
    if state in {State.SUBMITTING, State.RUNNING}:
        base |= {"slot": True}
    return Job(**base | values)


@dataclass
class FakeSession:
    """Writes changes into the job it is given; `stale_after` moves everybody else is faster."""

    slot_free: bool = True
    stale_after: int = 1_000
    found: Job | None = None
    at: int = AT
    flying: int = 0
    waiting: bool = True
    changes: list[Change] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def advance(self, job: Job, change: Change) -> Job | Refused:
        assert transitions.allows(job.state, change.to), f"no way from {job.state} to {change.to}"
        if len(self.changes) >= self.stale_after:
            return LostRace()
        self.changes.append(change)
        return transitions.apply(job, change, self.at)

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        return self.advance(job, change)

    def advance_soon(self, job: Job, change: Change) -> None:
        self.advance(job, change)

    def advance_batch(self, batch: Batch, change: Change) -> bool:
        assert batch.record_id
        if len(self.changes) >= self.stale_after:
            return False
        self.changes.append(change)
        return True

    def line_up(self, job: Job) -> Job | None:
        if not self.slot_free:
            return None
        return job.model_copy(update={"state": State.SUBMITTING, "version": job.version + 1, "slot": True})

    def mark_orphaned(self, job: Job) -> None:
        self.left.append(job.job_id)

    def reread(self, job: Job, other: str | None = None) -> Job | None:
        return self.found or (job if other is None else job.model_copy(update={"job_id": other}))

    def now(self) -> int:
        return self.at

    def in_flight(self) -> int:
        return self.flying

    def jobs_wait(self) -> bool:
        return self.waiting

    @property
    def last(self) -> Change:
        return self.changes[-1]


@dataclass
class FakeReply:
    """An accepted submission."""

    vendor_job_id: str = "job-abc-123"
    status: str = "IN_QUEUE"


@dataclass
class FakeStatusReply:
    """One status reply."""

    status: str
    output: list[bytes] | Exception = field(default_factory=list)
    answered_after: float = 0.0
    failure: str | None = None

    def pictures(self) -> list[bytes]:
        if isinstance(self.output, Exception):
            raise self.output
        return self.output


@dataclass
class FakeVendor:
    """Answers every call with what it was given."""

    submission: FakeReply | Exception = field(default_factory=FakeReply)
    seen: FakeStatusReply | Exception = field(default_factory=lambda: FakeStatusReply("IN_PROGRESS"))
    submitted: list[tuple[JobSpec, str]] = field(default_factory=list)

    def submit(self, spec: JobSpec, image: str) -> FakeReply:
        self.submitted.append((spec, image))
        if isinstance(self.submission, Exception):
            raise self.submission
        return self.submission

    @contextmanager
    def poll(self, vendor_job_id: str, version: ApiVersion) -> Generator[FakeStatusReply]:
        assert vendor_job_id
        assert version
        if isinstance(self.seen, Exception):
            raise self.seen
        yield self.seen


@dataclass
class FakePictures:
    """Keeps objects in a dict, as the real ones are named; raises `broken` where it is set."""

    objects: dict[str, bytes] = field(default_factory=dict)
    broken: Exception | None = None

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken

    def input_text(self, spec: JobSpec) -> str:
        self._check()
        return spec.image.url if isinstance(spec.image, LinkedImage) else "aW1hZ2U="

    def store(self, job: Job, pictures: Sequence[Picture]) -> None:
        for picture in pictures:
            self._check()
            self.objects |= dict(picture.files)
        self._check()
        self.objects[receipt_key(job)] = receipt_of(job, [picture.known for picture in pictures])

    def stored(self, job: Job) -> tuple[StoredPicture, ...]:
        self._check()
        return stored_pictures(cast("Storage", self), job)

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(f"there is no {key}")
        return self.objects[key]

    def head(self, key: str) -> int | None:
        return len(self.objects[key]) if key in self.objects else None

    def url(self, key: str) -> str:
        return f"https://store.example/{key}"


@dataclass
class FakeAnswer:
    """What a receiver answered."""

    status: int = 204
    seconds: float = 0.25
    response_sha256: str | None = None


@dataclass
class FakeWebhooks:
    """Keeps what it delivered, or raises what the test sets."""

    answer: int | Exception = 204
    delivered: list[tuple[str, str, SwapEvent | BatchEvent]] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)

    def deliver(self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> FakeAnswer:
        self.delivered.append((url, webhook_id, event))
        self.tenants.append(tenant)
        if isinstance(self.answer, Exception):
            raise self.answer
        return FakeAnswer(self.answer)


@dataclass
class FakeEndpoints:
    """Remembers what fails; `disabled` says that every one is."""

    failing: dict[str, Endpoint] = field(default_factory=dict)
    disabled: bool = False

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        if self.disabled:
            return Endpoint(endpoint_id=endpoint_id, tenant="default", address="https://…", disabled_at=AT)
        return self.failing.get(endpoint_id)

    def endpoint_failed(self, endpoint: Endpoint, *, gone: bool, patience: float) -> bool:
        assert patience > 0
        self.failing[endpoint.endpoint_id] = endpoint
        self.disabled |= gone
        return gone

    def endpoint_recovered(self, endpoint_id: str) -> bool:
        return self.failing.pop(endpoint_id, None) is not None


@dataclass
class FakeTimes:
    """Knows service times of every kind."""

    known: Histogram | None = None
    asked: list[str] = field(default_factory=list)

    def of(self, kind: str) -> Histogram | None:
        self.asked.append(kind)
        return self.known


@dataclass
class World:
    """All fakes together, and the ports made of them."""

    session: FakeSession = field(default_factory=FakeSession)
    vendor: FakeVendor = field(default_factory=FakeVendor)
    pictures: FakePictures = field(default_factory=FakePictures)
    memory: PictureMemory = field(default_factory=lambda: PictureMemory(8, kept_for=15.0))
    webhooks: FakeWebhooks = field(default_factory=FakeWebhooks)
    times: FakeTimes = field(default_factory=FakeTimes)
    endpoints: FakeEndpoints = field(default_factory=FakeEndpoints)
    bulkhead: DeliveryBulkhead = field(default_factory=lambda: DeliveryBulkhead(8, lambda: AT / 1000))
    on_ambiguous: AmbiguousSubmit = AmbiguousSubmit.HOLD
    rng: float = 0.5
    finisher: Finisher = field(default_factory=Finisher)

    @property
    def ports(self) -> Ports:
        policy = Policy(
            polls=Bounds(0.25, 20.0),
            on_ambiguous_submit=self.on_ambiguous,
            rescue_after=15.0,
            lost_after=60.0,
            store_timeout=3_600.0,
            webhook_schedule=WEBHOOK_SCHEDULE,
            webhook_disable_after=5 * 86_400.0,
        )
        return Ports(
            writes=self.session,
            view=self.session,
            vendor=self.vendor,
            pictures=self.pictures,
            memory=self.memory,
            finisher=self.finisher,
            webhooks=self.webhooks,
            endpoints=self.endpoints,
            bulkhead=self.bulkhead,
            times=self.times,
            policy=policy,
            rng=lambda: self.rng,
        )
