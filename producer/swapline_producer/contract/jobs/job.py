"""One job as the ledger has it, its messages and its log."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ConfigDict, Field, JsonValue

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.enums import Canceling, FailureCode, Notification, State, Step
from swapline_producer.contract.requests.new_jobs import ImageRef  # noqa: TC001 -- pydantic reads it
from swapline_producer.contract.requests.swap_request import SwapOptions
from swapline_producer.contract.trace_ids import traceparent_of
from swapline_producer.contract.values import DEFAULT_ACCOUNT


class JobSpec(SwapOptions):
    """A request in the ledger. Ignores fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: ImageRef
    trace: str | None = None
    """The caller's trace, shortened; see `Job.traceparent`."""


class StoredFile(Frozen):
    """A picture in object storage. Sizes in pixels and bytes."""

    key: str
    sha256: str
    bytes: int
    width: int
    height: int


class StoredVariant(StoredFile):
    """A variant, or the vendor's own where another is published."""

    name: str
    """The setting's, without suffix; `original` for the vendor's own."""


class StoredPicture(StoredFile):
    """One picture of a job, and its variants."""

    variants: tuple[StoredVariant, ...] = Field((), exclude_if=lambda variants: not variants)


class Job(Frozen):
    """One job. `version` is its fencing token."""

    job_id: str
    state: State
    version: int
    spec: JobSpec
    created_at: int
    queue_until: int
    run_timeout_ms: int
    submitted_at: int | None = None
    run_until: int | None = None
    terminal_at: int | None = None
    finished_at: int | None = None
    attempts: int = 0
    attempt_open: bool = False
    """A paid call may be under way."""
    polls: int = 0
    storing_since: int | None = None
    """From when tries to store its pictures are bounded."""
    retries: int = 0
    """Failed tries to store, in a row."""
    bad_outputs: int = 0
    """Missing or broken outputs in a row."""
    not_found: int = 0
    """Polls answered 404 in a row."""
    silent: int = 0
    """Polls without news in a row."""
    polled_at: int | None = None
    """When a poll last found it unfinished."""
    vendor_job_id: str | None = None
    vendor_status: str | None = None
    account: str = DEFAULT_ACCOUNT
    """Whose slot it was given last, and which is charged."""
    slot: bool = False
    failure_code: FailureCode | None = None
    failure_detail: str | None = None
    credits: int = 0
    canceling: Canceling | None = None
    """What becomes of its result."""
    images: tuple[StoredPicture, ...] = ()
    notification: Notification = Notification.NONE
    notify_attempts: int = 0
    sequence: int = 0
    held_at: int | None = None
    refused_as: str | None = None
    """Kind of its last refusal, until it is accepted."""
    own_refusals: int = 0
    """Refusals in a row while others were accepted."""
    replayed: str = ""
    """Steps from which a person ran it again, comma-separated."""

    @property
    def replayed_from(self) -> tuple[str, ...]:
        """`replayed`, taken apart."""
        return tuple(self.replayed.split(",")) if self.replayed else ()

    @property
    def tenant(self) -> str:
        """Whose job it is."""
        return self.spec.tenant

    @property
    def traceparent(self) -> str:
        """Its trace, as W3C writes it."""
        return traceparent_of(self.job_id, self.spec.trace)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.traceparent.split("-")[1]


class JobEvent(Frozen):
    """One line of a job's log; never a picture or a secret."""

    at: int
    name: str
    data: dict[str, JsonValue] = Field(default_factory=dict)


class StepMessage(Frozen):
    """All that travels through the broker."""

    step: Step
    job_id: str
    version: int
    retries: int = 0
    """Earlier runs of this step, for Flower."""
    account: str = DEFAULT_ACCOUNT
    """Of the slot that the job was just given. Not sent."""


def result_folder(job: Job) -> str:
    """Return the folder of a job's pictures and receipt."""
    day = datetime.fromtimestamp(job.created_at / 1000, UTC)
    return f"results/{job.tenant}/{day:%Y/%m/%d}/{job.job_id}"
