"""Changes that the step `submit` makes: the attempt and its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract.changes import BreakerTrip, Change, Evidence, JobFields, notification_fields
from swapline_producer.contract.enums import CREDITS_PER_JOB, FailureCode, Notification, State
from swapline_producer.contract.requests.new_jobs import StoredImage
from swapline_producer.contract.transitions.table import arrow
from swapline_producer.contract.values import DEFAULT_ACCOUNT

if TYPE_CHECKING:
    from swapline_producer.contract.jobs.job import Job


@arrow(State.SUBMITTING, State.SUBMITTING, "the attempt is written, just before the paid call")
def attempted(job: Job, *, rescue_after: float) -> Change:
    """Open an attempt: from here on a death leaves the call's outcome unknown."""
    return Change(
        to=State.SUBMITTING,
        fields={"attempts": job.attempts + 1, "attempt_open": True},
        stamps={"run_until": job.run_timeout_ms / 1000},
        due_in=rescue_after,
        note="attempt",
        data={"attempt": job.attempts + 1, "api_version": job.spec.api_version},
        count={"attempts": 1},
        input_read=isinstance(job.spec.image, StoredImage),
    )


FORGOTTEN = frozenset({State.QUEUED, State.SUBMITTING})
"""Where a job is whose attempt the ledger has lost with its last writes."""


@arrow(FORGOTTEN, State.SUBMITTING, "the ledger has lost the attempt, and its worker writes it again during the call")
def attempted_before(job: Job, paying: Job, *, rescue_after: float) -> Change:
    """Open the attempt of a call that is under way; `paying` is the job as its worker has it."""
    change = attempted(job, rescue_after=rescue_after)
    elsewhere: JobFields = {} if job.account == paying.account else {"account": paying.account}
    known: Evidence = {} if paying.account == DEFAULT_ACCOUNT else {"account": paying.account}
    return change.model_copy(
        update={
            "fields": {**change.fields, "attempts": paying.attempts, **elsewhere},
            "data": {**change.data, "attempt": paying.attempts, "again": True, **known},
        }
    )


@arrow(State.SUBMITTING, State.RUNNING, "the vendor's id is known")
@arrow((State.QUEUED, State.HELD), State.RUNNING, "the reply of an attempt given up for unknown came after all")
def submitted(job: Job, vendor_job_id: str, status: str, *, poll_in: float) -> Change:
    """The vendor has accepted the job, and it is paid. `poll_in`: seconds."""
    refusals: JobFields = {"refused_as": None, "own_refusals": None} if job.refused_as else {}
    return Change(
        to=State.RUNNING,
        fields={
            "vendor_job_id": vendor_job_id,
            "vendor_status": status,
            "attempts": job.attempts,
            "attempt_open": False,
            "credits": job.credits + CREDITS_PER_JOB,
            "failure_code": None,
            "failure_detail": None,
            "notification": Notification.NONE,
            "polled_at": None,
            "silent": 0,
            **refusals,
        },
        stamps={"submitted_at": 0, "run_until": job.run_timeout_ms / 1000},
        due_in=poll_in,
        due_by="run_until",
        note="submitted",
        data={"vendor_job_id": vendor_job_id, "status": status},
        count={"submitted": 1, "credits": CREDITS_PER_JOB},
        close_breaker=True,
    )


@arrow(State.SUBMITTING, State.QUEUED, "the call provably did not run: no connection, 429, key, credits")
def refused(_job: Job, trip: BreakerTrip, evidence: Evidence) -> Change:
    """The call was refused or never made: back in line, uncharged."""
    return Change(
        to=State.QUEUED,
        fields={"attempt_open": False},
        in_line=True,
        due_by="queue_until",
        note="not submitted",
        data={"reason": trip.reason, **evidence},
        trip=trip,
        count={"not_submitted": 1},
        refund=True,
    )


@arrow(State.SUBMITTING, State.QUEUED, "its reply is unknown, and the policy is retry")
def requeued(job: Job, reason: str, evidence: Evidence) -> Change:
    """The call's outcome is unknown and it is made again: back in line."""
    return Change(
        to=State.QUEUED,
        fields={"attempt_open": False},
        in_line=True,
        due_by="queue_until",
        note="ambiguous",
        data={"reason": reason, "attempt": job.attempts, **evidence},
        count={"ambiguous": 1},
    )


@arrow(State.SUBMITTING, State.HELD, "its reply is unknown, and the policy is hold; or its id is another job's")
@arrow(State.QUEUED, State.HELD, "the same, and the ledger has lost the attempt with its last writes")
def held(job: Job, code: FailureCode, reason: str, evidence: Evidence, *, rescue_after: float) -> Change:
    """Have a person decide about a paid call; the slot stays."""
    notifies = job.spec.webhook_url is not None
    return Change(
        to=State.HELD,
        fields={
            "attempt_open": False,
            "failure_code": code,
            "failure_detail": reason,
            **notification_fields(job),
        },
        stamps={"held_at": 0},
        due_in=rescue_after if notifies else None,
        due_by="run_until",
        sends=notifies,
        note="held",
        data={"reason": reason, "attempt": job.attempts, **evidence},
        count={"ambiguous": 1, "held": 1},
    )


@arrow((State.RUNNING, State.STORING), State.HELD, "another call that was under way with its own brought the same id")
def id_shared(job: Job, reason: str, evidence: Evidence) -> Change:
    """Have a person decide whose the vendor's id is."""
    change = held(job, FailureCode.VENDOR_ID_IN_USE, reason, evidence, rescue_after=0)
    return change.model_copy(update={"sends": False, "due_by": "run_until" if job.slot else None})
