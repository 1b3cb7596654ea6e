"""What a step may ask of the world. The adapters, and the fakes in the tests, are built to these shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from swapline_producer.contract import ApiVersion, Batch, BatchEvent, Job, JobSpec, StoredPicture, SwapEvent
    from swapline_producer.contract.changes import Change, Endpoint, LostRace
    from swapline_workers.core.outcomes import Refused
    from swapline_workers.core.picture_memory import Picture, PictureMemory
    from swapline_workers.core.policy import Policy
    from swapline_workers.core.schedule.histogram import Histogram


class Submission(Protocol):
    """The vendor's answer to an accepted submission."""

    @property
    def vendor_job_id(self) -> str:
        """The id to ask the status of."""

    @property
    def status(self) -> str:
        """The first status, usually IN_QUEUE."""


class StatusReply(Protocol):
    """One reply of the status endpoint, its pictures still unread on the wire."""

    @property
    def status(self) -> str:
        """The vendor's word, as it was sent."""

    @property
    def held(self) -> float:
        """Seconds from sending the call to the first byte of the reply."""

    @property
    def failure(self) -> str | None:
        """What the reply says of a failure: one of the vendor's codes where it names one, or its words, cut short."""

    def pictures(self) -> list[bytes]:
        """Read the rest of the reply and give every picture in it, decoded and checked to be whole.

        Raises OutputMissing, OutputInvalid, or Unclear when the connection broke on the way.
        """


class Vendor(Protocol):
    """The FaceSwap API."""

    def submit(self, spec: JobSpec, image: str) -> Submission:
        """Send one paid call. `image` is base64 text or a public URL. Never tries twice.

        Raises any VendorError.
        """

    def poll(self, vendor_job_id: str, version: ApiVersion) -> AbstractContextManager[StatusReply]:
        """Ask the status once.

        Raises any VendorError on entering.
        """


class Pictures(Protocol):
    """Inputs and results in object storage. All raise StorageUnavailable and ObjectMissing."""

    def input_text(self, spec: JobSpec) -> str:
        """The input as the vendor wants it: base64 of the stored bytes, or the URL."""

    def store(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Write pictures under the names that the job determines, and `receipt.json` last."""

    def stored(self, job: Job) -> tuple[StoredPicture, ...]:
        """Return what this submission's receipt says was stored, where it is all there; else nothing."""

    def url(self, key: str) -> str:
        """An address under which a receiver can fetch a result."""


class Finisher(Protocol):
    """What is made of pictures before they are stored."""

    def finish(self, job: Job, pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
        """Return the pictures as they are to be stored, with their variants. Never raises for a picture."""


class Answer(Protocol):
    """What a receiver answered to a delivery that it accepted."""

    @property
    def status(self) -> int:
        """2xx."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def response_sha256(self) -> str | None:
        """What it said, as a digest; None where it said too much."""


class Webhooks(Protocol):
    """Signed deliveries."""

    def deliver(self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> Answer:
        """Sign and post one event with the tenant's keys.

        Raises WebhookFailed.
        """


class Endpoints(Protocol):
    """What the ledger knows of receivers that fail. All raise LedgerUnavailable."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """One that fails or is disabled; None for all others."""

    def endpoint_failed(self, endpoint: Endpoint, *, gone: bool, patience: float) -> bool:
        """Note a failure; disabled at once where it is gone, or after failing for `patience` seconds."""

    def endpoint_recovered(self, endpoint_id: str) -> bool:
        """Forget that it failed."""


class DeliveryPermit(Protocol):
    """A place for one delivery; with `wait` > 0 (seconds) there is none now."""

    wait: float
    failed: bool


class DeliveryBulkhead(Protocol):
    """How many deliveries may go at a time, to one host and in all."""

    def permit(self, host: str) -> AbstractContextManager[DeliveryPermit]:
        """Take a place for the length of a block."""


class Writes(Protocol):
    """Writes of the job, or batch, that a step has leased. All raise LedgerUnavailable."""

    def advance(self, job: Job, change: Change) -> Job | Refused:
        """Write a change if the job is still at its version, and return the job as it is then.

        Where the job is to be canceled, what ends it, or brings it back into the line, is written as CANCELED. The
        submissions of jobs that the same change gives a slot are sent at once.
        """

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        """Write a change that must not be forgotten: wait for a ledger that is away instead of raising."""

    def line_up(self, job: Job) -> Job | LostRace | None:
        """Put a queued job in the waiting line. Return it with its slot, or None while it has to wait."""

    def advance_batch(self, batch: Batch, change: Change) -> bool:
        """Write the result of a batch's webhook; False after a lost race."""

    def mark_orphaned(self, job: Job) -> None:
        """Have the objects deleted that were written for a job after a lost race, unless it needs them."""

    def reread(self, job: Job) -> Job:
        """Read the job, waiting for a ledger that is away."""


class LedgerView(Protocol):
    """What a step may know of the ledger beside its job, without a round trip."""

    def now(self) -> int:
        """Return UTC milliseconds by the ledger's clock."""

    def in_flight(self) -> int:
        """Return the number of jobs that hold a slot, over all workers, as of the ledger's last answer."""

    def jobs_wait(self) -> bool:
        """Whether jobs wait for a slot, as of the ledger's last answer."""


class ServiceTimes(Protocol):
    """How long the vendor takes, as it was learned."""

    def of(self, kind: str) -> Histogram | None:
        """Service times of a kind of job; None when nothing is known. Never raises, and seldom asks the ledger."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as the steps are given it."""

    writes: Writes
    view: LedgerView
    vendor: Vendor
    pictures: Pictures
    memory: PictureMemory
    finisher: Finisher
    webhooks: Webhooks
    endpoints: Endpoints
    bulkhead: DeliveryBulkhead
    times: ServiceTimes
    policy: Policy
    rng: Callable[[], float]
    """Uniform in [0, 1)."""
