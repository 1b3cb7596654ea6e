"""The I/O that steps use, as protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from swapline_producer.contract import ApiVersion, Batch, BatchEvent, Job, JobSpec, StoredPicture, SwapEvent
    from swapline_producer.contract.answers import Endpoint, LostRace
    from swapline_producer.contract.changes import Change
    from swapline_workers.core.bulkhead import DeliveryBulkhead
    from swapline_workers.core.outcomes import Refused
    from swapline_workers.core.picture_memory import Picture, PictureMemory
    from swapline_workers.core.policy import Policy
    from swapline_workers.core.schedule.histogram import Histogram


class Submission(Protocol):
    """An accepted submission."""

    @property
    def vendor_job_id(self) -> str:
        """The id to poll."""

    @property
    def status(self) -> str:
        """The first status, usually IN_QUEUE."""


class StatusReply(Protocol):
    """A reply to a poll, its pictures unread."""

    @property
    def status(self) -> str:
        """The vendor's status, unchanged."""

    @property
    def answered_after(self) -> float:
        """Seconds from sending the call to the first byte."""

    @property
    def failure(self) -> str | None:
        """One of the vendor's codes, or a short text."""

    def pictures(self) -> list[bytes]:
        """Return each picture, checked to be whole.

        Raises OutputMissing, OutputInvalid, or Unclear when the connection broke.
        """


class Vendor(Protocol):
    """The FaceSwap API."""

    def submit(self, spec: JobSpec, image: str) -> Submission:
        """Send one paid call, once. `image` is base64 or a URL. Raises any VendorError."""

    def poll(self, vendor_job_id: str, api_version: ApiVersion) -> AbstractContextManager[StatusReply]:
        """Poll once. Raises any VendorError on entering."""


class VendorAccounts(Protocol):
    """The vendor's accounts."""

    def of(self, account: str) -> Vendor:
        """Return the API with an account's key and address. That of an unknown account raises NotSent."""


class Pictures(Protocol):
    """Inputs and results. All raise StorageUnavailable and ObjectMissing."""

    def input_text(self, spec: JobSpec) -> str:
        """Return the input for the vendor: base64, or the URL."""

    def store(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Write pictures, and `receipt.json` last."""

    def stored(self, job: Job) -> tuple[StoredPicture, ...]:
        """Return the pictures of this submission's receipt, if all are there."""

    def url(self, key: str) -> str:
        """Return a URL for receivers."""


class Finisher(Protocol):
    """Makes variants and marks."""

    def finish(self, job: Job, pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
        """Return what to store. Never raises for a picture."""


class Answer(Protocol):
    """A receiver's answer to an accepted delivery."""

    @property
    def status(self) -> int:
        """2xx."""

    @property
    def seconds(self) -> float:
        """Duration."""

    @property
    def response_sha256(self) -> str | None:
        """Digest of its body; None where that is too long."""


class Webhooks(Protocol):
    """Signed deliveries."""

    def deliver(self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> Answer:
        """Sign and post one event. Raises WebhookFailed."""


class Endpoints(Protocol):
    """Endpoints that failed. All raise LedgerUnavailable."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return one that fails or is disabled, else None."""

    def endpoint_failed(self, endpoint: Endpoint, *, gone: bool, patience: float) -> bool:
        """Note a failure; disable it if `gone`, or failing for `patience` s."""

    def endpoint_recovered(self, endpoint_id: str) -> bool:
        """Forget that it failed."""


class Writes(Protocol):
    """Writes of the leased job or batch. All raise LedgerUnavailable."""

    def advance(self, job: Job, change: Change) -> Job | Refused:
        """Write a change at the job's version; return the job after it.

        The end of a job that is to be canceled, or its return to the line, becomes CANCELED.
        """

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        """Write what must not be lost: wait while the ledger is away."""

    def advance_soon(self, job: Job, change: Change) -> None:
        """Have a poll without news written with the next claim. A process that dies first has it repeated."""

    def line_up(self, job: Job) -> Job | LostRace | None:
        """Line a job up; return it with its slot, or None."""

    def advance_batch(self, batch: Batch, change: Change) -> bool:
        """Write a batch's webhook result; False after a lost race."""

    def mark_orphaned(self, job: Job) -> None:
        """Have objects of a lost race deleted, unless the job needs them."""

    def reread(self, job: Job, other: str | None = None) -> Job | None:
        """Read the job, or `other`; wait while the ledger is away. None where it is gone."""


class LedgerView(Protocol):
    """The ledger's clock and load, without a round trip."""

    def now(self) -> int:
        """Return UTC milliseconds by the ledger's clock."""

    def in_flight(self) -> int:
        """Jobs with a slot, as of the ledger's last answer."""

    def jobs_wait(self) -> bool:
        """Whether jobs wait for a slot, as of that answer."""


class ServiceTimes(Protocol):
    """Learned service times."""

    def of(self, kind: str) -> Histogram | None:
        """Return those of a kind, or None. Never raises; seldom reads the ledger."""


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
    accounts: VendorAccounts | None = None
    """None where there is one vendor for all jobs."""

    def vendor_of(self, job: Job) -> Vendor:
        """Return the vendor with the account whose slot the job has, and which is charged."""
        return self.vendor if self.accounts is None else self.accounts.of(job.account)
