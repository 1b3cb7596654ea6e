"""Changes of jobs, which `contract/transitions` builds, and the ledger's answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypedDict

from pydantic import Field, JsonValue

from swapline_producer.contract import (
    Batch,
    Canceling,
    EventType,
    FailureCode,
    Frozen,
    Job,
    Notification,
    State,
    StepMessage,
    StoredPicture,
)

Evidence = Mapping[str, JsonValue]
"""Facts for a job's log; never a picture or a secret."""

Observations = dict[str, dict[int, float]]
"""Shares in histograms of service times: name -> bucket -> share."""

if TYPE_CHECKING:

    class JobFields(TypedDict, total=False):
        """New values of `Job` or `Batch`; None removes one."""

        account: str
        attempts: int
        attempt_open: bool
        bad_outputs: int | None
        canceling: Canceling | None
        credits: int
        failure_code: FailureCode | None
        failure_detail: str | None
        finished_at: int | None
        images: tuple[StoredPicture, ...] | None
        not_found: int | None
        notification: Notification
        notify_attempts: int
        own_refusals: int | None
        polled_at: int | None
        polls: int | None
        refused_as: str | None
        replayed: str
        retries: int | None
        run_until: int | None
        sequence: int
        silent: int | None
        submitted_at: int | None
        terminal_at: int | None
        vendor_job_id: str | None
        vendor_status: str | None

else:  # mypy checks these where they are built: checking each value again took 0.08 ms a change
    JobFields = dict[str, Any]


class BreakerTrip(Frozen):
    """A refusal: the account's, or this job's own (lua/parts/breaker.lua).

    Each in a row doubles the wait, from `wait` to `longest` seconds; then one job probes. `shrink`: the account is over
    its cap (429): fewer slots are used for a while, without waiting unless the vendor `asked` for it (Retry-After) or
    nothing else runs.
    """

    reason: str
    kind: Literal["unreachable", "throttled", "unauthorized", "credits", "address", "input", "other"] = "other"
    wait: float = 1.0
    longest: float = 60.0
    shrink: bool = False
    asked: bool = False
    about: str = ""
    """What was refused, where not the job: its input, which others may share."""


class Change(Frozen):
    """One move of one job, written only at the version read."""

    to: State
    fields: JobFields = {}  # noqa: RUF012 -- pydantic copies it
    stamps: dict[str, float] = Field(default_factory=dict)
    """Fields set to the ledger's now plus these seconds."""
    due_in: float | None = None
    """Seconds until the next step; without this and `due_by`, none follows."""
    due_by: Literal["queue_until", "run_until"] | None = None
    """Name of the field with the latest time of the next step."""
    note: str | None = None
    """Name of its line in the job's log, if any."""
    data: dict[str, JsonValue] = Field(default_factory=dict)
    in_line: bool = False
    """Back to the waiting line (with `to` QUEUED); the job keeps its age."""
    sends: bool = False
    """The step sends the next message itself; else a due dispatcher does."""
    count: dict[str, int] = Field(default_factory=dict)
    observe: Observations = Field(default_factory=dict)
    timed: dict[str, float] = Field(default_factory=dict)
    """Seconds for the histograms `detection` and `webhook_lag`."""
    trip: BreakerTrip | None = None
    close_breaker: bool = False
    input_read: bool = False
    store_failed: str | None = None
    """Why the store took no result: nothing new is submitted until it does."""
    refund: bool = False
    """The call was provably not charged."""


class Accepted(NamedTuple):
    """A job that is in the ledger."""

    job_id: str
    created: bool
    messages: tuple[StepMessage, ...] = ()
    """To be sent now."""


class Advanced(Frozen):
    """A change that was written."""

    job: Job
    at: int
    due: int | None = None
    """When the next step is due, in milliseconds."""
    opens_at: int | None = None
    """After a refusal: when the line may move again, in milliseconds."""
    kept: bool = True
    """Whether as many replicas have it as asked for."""
    granted: tuple[StepMessage, ...] = ()
    """Jobs that got a slot by it, to be sent now."""


class LostRace(Frozen):
    """The job has moved on: nothing was written."""


class CancelRequested(Frozen):
    """The job is to be canceled: nothing was written, another change is needed."""

    canceling: Canceling


class Opened(Frozen):
    """A job leased for a step. `at`: the ledger's now, milliseconds; `waiting`: jobs wait for a slot.

    `in_flight`: how many have one.
    """

    job: Job
    at: int
    waiting: bool = True
    in_flight: int = 0


class OpenedBatch(Frozen):
    """A batch leased for its webhook. `at`: the ledger's now, milliseconds."""

    batch: Batch
    at: int


class Sealed(Frozen):
    """A batch whose jobs are all in. `completed`: all have finished."""

    jobs: int
    finished: int
    completed: bool


class Claimed(Frozen):
    """What is due, and when to claim again."""

    messages: tuple[StepMessage, ...]
    at: int
    next_at: int | None
    """Milliseconds; None when nothing waits."""
    rescued: int = 0
    postponed: int = 0
    dispatchers: int = 1
    put_off: tuple[int, ...] = ()
    """Times (milliseconds) of polls that were put off to keep their rate."""


class Released(Frozen):
    """What became of a stopping worker's leased jobs."""

    released: int = 0
    paying: int = 0
    """Paid calls under way, left to their rescue."""


class Limits(Frozen):
    """Limits of the whole installation. None: not named."""

    max_in_flight: int | None = None
    rescue_after: float | None = None
    """Seconds."""
    submit_rate: float | None = None
    poll_rate: float | None = None
    credits_per_day: int | None = None
    """Credits that may be spent on a day (UTC)."""

    def named(self) -> dict[str, str]:
        """Return those that are named: the ledger's field -> text."""
        given = self.model_dump(exclude={"rescue_after"}, exclude_none=True)
        if self.rescue_after is not None:
            given["rescue_ms"] = round(self.rescue_after * 1000)
        return {name: str(value) for name, value in given.items()}

    @classmethod
    def from_ledger(cls, fields: Mapping[str, str]) -> Self:
        """Read what `named` wrote."""
        given: dict[str, Any] = {name: fields[name] for name in cls.model_fields if name in fields}
        if "rescue_ms" in fields:
            given["rescue_after"] = int(fields["rescue_ms"]) / 1000
        return cls.model_validate(given)


class CreditsView(Frozen):
    """Credits of a day (UTC), and the cap. A submission counts from its slot on."""

    day: str
    spent: int
    per_day: int | None
    by_tenant: dict[str, int]
    caps: dict[str, int]
    by_account: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By account and tenant, where there are several accounts."""


class AccountView(Frozen):
    """One of the vendor's accounts as it is used now."""

    name: str
    weight: float = 1.0
    labels: tuple[str, ...] = ()
    drained: bool = False
    """It is given no new jobs."""
    set_by: str | None = None
    """Who has set its slots by hand."""
    limit: int
    cap: int
    in_flight: tuple[str, ...]
    jobs: int
    """Unfinished jobs that only this account can finish."""
    credits_today: int
    credits_per_day: int | None = None
    submit_rate: float | None = None
    closed_until: int | None = None
    """When the next job may probe, in milliseconds; None where that is now, or its breaker is closed."""
    reason: str | None = None
    """Why its breaker is open; None where it is closed."""
    trips: int = 0

    @property
    def usable(self) -> int:
        """Slots that may be used now."""
        return 0 if self.drained else self.cap


class SlotsView(Frozen):
    """The accounts as they are used now, added up. The breaker counts as open where it is for all of them."""

    limit: int
    cap: int
    in_flight: tuple[str, ...]
    waiting: int
    set_by: str | None = None
    """Who set the limit in place of the workers' setting, where that is known."""
    closed_until: int | None = None
    """Milliseconds until a job may probe; None: now, or the breaker is closed."""
    reason: str | None = None
    trips: int = 0
    """Refusals in a row."""
    store_failing_since: int | None = None
    """Milliseconds; then at most one new job is submitted."""
    store_reason: str | None = None
    at: int = 0
    accounts: tuple[AccountView, ...] = ()
    """Each of them, where there are several."""

    @property
    def paused(self) -> bool:
        """Whether the submission breaker is open."""
        return self.trips > 0


class Probe(Frozen):
    """The answer to a person's probe."""

    open: bool
    probing: bool
    free: int
    granted: tuple[StepMessage, ...] = ()
    """Jobs that probe, to be sent now."""


class Endpoint(Frozen):
    """One tenant's receiver that fails or is disabled. Times are milliseconds."""

    endpoint_id: str
    tenant: str
    address: str
    """The URL without query and parts that look secret."""
    error: str = ""
    status: int | None = None
    failing_since: int = 0
    failed_at: int = 0
    failures: int = 0
    disabled_at: int | None = None
    reason: Literal["gone", "failing"] | None = None
    """Why it is disabled: 410, or failures for days."""


EVENT_OF: dict[State, EventType] = {
    State.SUCCEEDED: EventType.SUCCEEDED,
    State.FAILED: EventType.FAILED,
    State.EXPIRED: EventType.EXPIRED,
    State.TIMED_OUT: EventType.TIMED_OUT,
    State.CANCELED: EventType.CANCELED,
    State.HELD: EventType.HELD,
}


def notification_fields(job: Job) -> JobFields:
    """Return the fields that start a notification, where there is a webhook."""
    if job.spec.webhook_url is None:
        return {"notification": Notification.NONE, "notify_attempts": 0}
    return {"notification": Notification.PENDING, "notify_attempts": 0, "sequence": job.sequence + 1}
