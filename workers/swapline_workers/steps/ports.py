"""The I/O that steps use. The adapters, and the fakes in the tests, have these shapes."""

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
        """Return the id to poll."""

    @property
    def status(self) -> str:
        """Return the first status, usually IN_QUEUE."""


class StatusReply(Protocol):
    """A reply of the status endpoint, its pictures still unread on the wire."""

    @property
    def status(self) -> str:
        """Return the vendor's status, unchanged."""

    @property
    def held(self) -> float:
        """Return the seconds from sending the call to the first byte of the reply."""

    @property
    def failure(self) -> str | None:
        """Return the reply's failure: one of the vendor's codes, or a short text."""

    def pictures(self) -> list[bytes]:
        """Read the rest of the reply; return each picture, decoded and checked to be whole.

        Raises OutputMissing, OutputInvalid, or Unclear when the connection broke.
        """


class Vendor(Protocol):
    """The FaceSwap API."""

    def submit(self, spec: JobSpec, image: str) -> Submission:
        """Send one paid call, once. `image` is base64 text or a public URL. Raises any VendorError."""

    def poll(self, vendor_job_id: str, version: ApiVersion) -> AbstractContextManager[StatusReply]:
        """Poll once. Raises any VendorError on entering."""


class Pictures(Protocol):
    """Inputs and results in object storage. All raise StorageUnavailable and ObjectMissing."""

    def input_text(self, spec: JobSpec) -> str:
        """Return the input for the vendor: base64 of the stored bytes, or the URL."""

    def store(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Write pictures under the names that the job determines, and `receipt.json` last."""

    def stored(self, job: Job) -> tuple[StoredPicture, ...]:
        """Return what this submission's receipt lists, where all of it is there; else nothing."""

    def url(self, key: str) -> str:
        """Return an address under which a receiver can fetch a result."""


class Finisher(Protocol):
    """What is made of pictures before they are stored."""

    def finish(self, job: Job, pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
        """Return the pictures as they are to be stored, with their variants. Never raises for a picture."""


class Answer(Protocol):
    """A receiver's answer to an accepted delivery."""

    @property
    def status(self) -> int:
        """2xx."""

    @property
    def seconds(self) -> float:
        """Return its duration."""

    @property
    def response_sha256(self) -> str | None:
        """Return the digest of its body; None where that is too long."""


class Webhooks(Protocol):
    """Signed deliveries."""

    def deliver(self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> Answer:
        """Sign and post one event with the tenant's keys. Raises WebhookFailed."""


class Endpoints(Protocol):
    """Endpoints that failed. All raise LedgerUnavailable."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return one that fails or is disabled; None for any other."""

    def endpoint_failed(self, endpoint: Endpoint, *, gone: bool, patience: float) -> bool:
        """Note a failure; disable the endpoint where it is gone, or has failed for `patience` seconds."""

    def endpoint_recovered(self, endpoint_id: str) -> bool:
        """Forget that it failed."""


class DeliveryPermit(Protocol):
    """Permission for one delivery; with `wait` > 0 (seconds) a refusal."""

    wait: float
    failed: bool


class DeliveryBulkhead(Protocol):
    """The number of deliveries at a time, to one host and in all."""

    def permit(self, host: str) -> AbstractContextManager[DeliveryPermit]:
        """Admit one delivery for the length of a block."""


class Writes(Protocol):
    """Writes of the leased job or batch. All raise LedgerUnavailable."""

    def advance(self, job: Job, change: Change) -> Job | Refused:
        """Write a change if the job is still at its version; return the job after it.

        Where the job is to be canceled, an end, and a way back into the line, is written as CANCELED. Jobs that the
        same change gives a slot are sent at once.
        """

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        """Write a change that must not be forgotten: wait while the ledger is away."""

    def line_up(self, job: Job) -> Job | LostRace | None:
        """Put a queued job in the waiting line. Return it with its slot, or None while it waits."""

    def advance_batch(self, batch: Batch, change: Change) -> bool:
        """Write the result of a batch's webhook; False after a lost race."""

    def mark_orphaned(self, job: Job) -> None:
        """Have objects deleted that were written for a job after a lost race, unless it needs them."""

    def reread(self, job: Job, other: str | None = None) -> Job:
        """Read the job, or the one whose id is `other`; wait while the ledger is away. Raises JobNotFound."""


class LedgerView(Protocol):
    """The ledger's clock and load, without a round trip."""

    def now(self) -> int:
        """Return UTC milliseconds by the ledger's clock."""

    def in_flight(self) -> int:
        """Return the number of jobs that hold a slot, over all workers, as of the ledger's last answer."""

    def jobs_wait(self) -> bool:
        """Whether jobs wait for a slot, as of the ledger's last answer."""


class ServiceTimes(Protocol):
    """Learned service times of the vendor."""

    def of(self, kind: str) -> Histogram | None:
        """Return those of a kind of job; None when unknown. Never raises, and seldom reads the ledger."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All I/O of the steps."""

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
