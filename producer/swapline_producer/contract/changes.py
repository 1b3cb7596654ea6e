"""Changes of jobs, which `contract/transitions` builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

from pydantic import Field, JsonValue

from swapline_producer.contract import (
    Canceling,
    EventType,
    FailureCode,
    Frozen,
    Job,
    Notification,
    State,
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

    Each in a row doubles the wait, from `wait` to `longest` seconds; then one job probes. `shrink` (429): fewer slots
    are used for a while, without waiting unless the vendor `asked` for it (Retry-After) or nothing else runs.
    """

    reason: str
    kind: Literal["unreachable", "throttled", "unauthorized", "credits", "address", "input", "other"] = "other"
    wait: float = 1.0
    longest: float = 60.0
    shrink: bool = False
    asked: bool = False
    about: str = ""
    """What was refused instead of the job: its input, which others may share."""


class Change(Frozen):
    """One move of one job, written only at the version read."""

    to: State
    fields: JobFields = {}  # noqa: RUF012 -- pydantic copies it
    stamps: dict[str, float] = Field(default_factory=dict)
    """Fields set to the ledger's now plus these seconds."""
    due_in: float | None = None
    """Seconds until the next step; none follows without this and `due_by`."""
    due_by: Literal["queue_until", "run_until"] | None = None
    """Field with the latest time of the next step."""
    note: str | None = None
    """Its line in the job's log, if any."""
    data: dict[str, JsonValue] = Field(default_factory=dict)
    in_line: bool = False
    """Back to the waiting line (with `to` QUEUED), at the job's age."""
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


class Polled(NamedTuple):
    """A poll without news, to be written with its worker's next claim."""

    job: Job
    change: Change
    token: str
    age: float
    """Seconds since the poll."""


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
