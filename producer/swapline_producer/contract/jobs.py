"""One job as the ledger has it, and what travels and is logged for it."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ConfigDict, Field, JsonValue

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.enums import Canceling, FailureCode, Notification, State, Step
from swapline_producer.contract.new_jobs import ImageRef  # noqa: TC001 -- pydantic reads it
from swapline_producer.contract.requests import SwapOptions
from swapline_producer.contract.trace_ids import traceparent_of


class JobSpec(SwapOptions):
    """A request as the ledger keeps it: the picture by reference only. Fields of a later version are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: ImageRef
    trace: str | None = None
    """The trace of the caller, in short: `Job.traceparent` has it whole."""


class StoredFile(Frozen):
    """A picture in object storage. `key` is its name there; sizes in pixels and bytes."""

    key: str
    sha256: str
    bytes: int
    width: int
    height: int


class StoredVariant(StoredFile):
    """A variant of a picture, or the vendor's own where another is published."""

    name: str
    """That of the setting, without its suffix; `original` for the vendor's own."""


class StoredPicture(StoredFile):
    """One picture of a job, and its variants."""

    variants: tuple[StoredVariant, ...] = Field((), exclude_if=lambda variants: not variants)


class Job(Frozen):
    """One job as the ledger has it. `version` is its version: it grows with every change."""

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
    """A paid call may be under way: an attempt was written and its reply is not."""
    polls: int = 0
    storing_since: int | None = None
    """When it came into STORING: its tries to read and store the pictures are bounded from then on."""
    retries: int = 0
    """Tries to store its pictures that failed in a row."""
    bad_outputs: int = 0
    """Readings of its output in a row that were missing or broken."""
    not_found: int = 0
    """Polls answered 404 in a row."""
    silent: int = 0
    """Polls without news in a row."""
    polled_at: int | None = None
    """When a poll last found it not done."""
    vendor_job_id: str | None = None
    vendor_status: str | None = None
    slot: bool = False
    failure_code: FailureCode | None = None
    failure_detail: str | None = None
    credits: int = 0
    canceling: Canceling | None = None
    """A cancellation was asked for while the vendor has it: it ends CANCELED when the vendor is done with it."""
    images: tuple[StoredPicture, ...] = ()
    notification: Notification = Notification.NONE
    notify_attempts: int = 0
    sequence: int = 0
    """Number of events so far that a webhook reports."""
    held_at: int | None = None
    refused_as: str | None = None
    """The kind of its last refusal, until it is accepted."""
    own_refusals: int = 0
    """Refusals of that kind in a row that were the job's own: another was accepted before each."""
    replayed: str = ""
    """The steps from which a person ran it again, with commas between them."""

    @property
    def replayed_from(self) -> tuple[str, ...]:
        """The steps from which a person ran it again."""
        return tuple(self.replayed.split(",")) if self.replayed else ()

    @property
    def tenant(self) -> str:
        """Whose job it is."""
        return self.spec.tenant

    @property
    def traceparent(self) -> str:
        """The trace that it belongs to, as W3C writes it."""
        return traceparent_of(self.job_id, self.spec.trace)

    @property
    def trace_id(self) -> str:
        """The name of that trace: 32 hexadecimal digits."""
        return self.traceparent.split("-")[1]


class JobEvent(Frozen):
    """One line of a job's log. `data` holds small facts: codes, counts, reasons; never a picture or a secret."""

    at: int
    name: str
    data: dict[str, JsonValue] = Field(default_factory=dict)


class StepMessage(Frozen):
    """A message to be: which step of which job, for which turn. All that ever travels through the broker."""

    step: Step
    job_id: str
    version: int
    retries: int = 0
    """How often this step of this job has run before; Flower shows it."""


def result_folder(job: Job) -> str:
    """Where a job's pictures and its receipt are stored: the job alone determines it."""
    day = datetime.fromtimestamp(job.created_at / 1000, UTC)
    return f"results/{job.tenant}/{day:%Y/%m/%d}/{job.job_id}"
