"""Changes that a person makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.contract.changes import Change, Evidence, JobFields
from swapline_producer.contract.enums import CREDITS_PER_JOB, FINISHED, FailureCode, Notification, State, Step
from swapline_producer.contract.jobs.batches import Batch
from swapline_producer.contract.transitions.notification import NOTIFYING
from swapline_producer.contract.transitions.table import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.contract.jobs.job import Job

RESET_FIELDS: JobFields = {
    "failure_code": None,
    "failure_detail": None,
    "notification": Notification.NONE,
    "notify_attempts": 0,
    "canceling": None,
    "retries": None,
    "not_found": None,
    "silent": None,
    "bad_outputs": None,
    "images": None,
    "finished_at": None,
    "refused_as": None,
    "own_refusals": None,
}

SUBMISSION_FIELDS: JobFields = {
    "vendor_job_id": None,
    "vendor_status": None,
    "polls": None,
    "polled_at": None,
    "submitted_at": None,
    "terminal_at": None,
    "run_until": None,
}

RESTORED = "Redis was restored from a backup: it may have been submitted, and paid, since"


@arrow(State.HELD, State.RUNNING, "a person found its id at the vendor")
def resolved(job: Job, vendor_job_id: str) -> Change:
    """The vendor has the job under this id: it is polled, and charged once."""
    charge = 0 if job.vendor_job_id else CREDITS_PER_JOB
    return Change(
        to=State.RUNNING,
        fields={
            "vendor_job_id": vendor_job_id,
            "credits": job.credits + charge,
            "failure_code": None,
            "failure_detail": None,
            "notification": Notification.NONE,
        },
        stamps={"submitted_at": 0, "run_until": job.run_timeout_ms / 1000},
        due_in=0,
        note="resolved",
        data={"vendor_job_id": vendor_job_id},
        count={"resolved": 1, "credits": charge},
    )


@arrow(
    [State.HELD, *(state for state in State if state in FINISHED and state is not State.SUCCEEDED)],
    State.QUEUED,
    "a person sends it again, accepting the charge",
)
def resubmitted(job: Job) -> Change:
    """Send a job to the vendor once more, for a new charge."""
    again = job.state is not State.HELD
    polls: Evidence = {"polls": job.polls} if job.polls and again else {}
    reset: JobFields = SUBMISSION_FIELDS if again else {"vendor_job_id": None}
    return Change(
        to=State.QUEUED,
        fields={**RESET_FIELDS, **reset, **_marked(job, Step.SUBMIT)},
        stamps={"queue_until": (job.queue_until - job.created_at) / 1000},
        in_line=True,
        due_by="queue_until",
        note="replayed",
        data={**_replay(job, Step.SUBMIT), "accepted_charge": True, **polls},
        count={"replayed": 1},
    )


@arrow(
    [State.STORING, *(state for state in State if state in FINISHED and state is not State.EXPIRED)],
    State.STORING,
    "a person has the vendor asked for its id again",
)
def polled_again(job: Job, step: Step) -> Change:
    """Ask the vendor for the job's id again; `step` is POLL or FINALIZE. It needs no slot: most are done."""
    return Change(
        to=State.STORING,
        fields={**RESET_FIELDS, **_marked(job, step)},
        stamps={"storing_since": 0, "run_until": job.run_timeout_ms / 1000},
        due_in=0,
        note="replayed",
        data=_replay(job, step),
        count={"replayed": 1},
    )


@arrow(NOTIFYING, None, "a person has its webhook sent again")
def renotified(record: Job | Batch) -> Change:
    """Notify the customer once more, under the same webhook id."""
    fields: JobFields = {"notification": Notification.PENDING, "notify_attempts": 0}
    data: Evidence = {"from": Step.NOTIFY}
    to = State.SUCCEEDED
    if not isinstance(record, Batch):
        fields, data, to = {**fields, **_marked(record, Step.NOTIFY)}, _replay(record, Step.NOTIFY), record.state
    return Change(to=to, fields=fields, due_in=0, note="replayed", data=dict(data), count={"replayed": 1})


@arrow(
    [state for state in State if state not in FINISHED],
    State.SUCCEEDED,
    "Redis was restored from a backup, and its receipt was found",
)
def restored(job: Job, receipt: Mapping[str, Any]) -> Change:
    """The job has succeeded, as its receipt in object storage says."""
    notifies = job.spec.webhook_url is not None
    return Change(
        to=State.SUCCEEDED,
        fields={
            "vendor_job_id": receipt["vendor_job_id"],
            "credits": receipt["credits"],
            "submitted_at": receipt["submitted_at"],
            "terminal_at": receipt["terminal_at"],
            "images": receipt["images"],
            "attempt_open": False,
            "failure_code": None,
            "failure_detail": None,
            "notification": Notification.PENDING if notifies else Notification.NONE,
            "notify_attempts": 0,
        },
        due_in=0 if notifies else None,
        note="succeeded",
        data={"reason": "its receipt was found after a restore"},
        count={"finished.SUCCEEDED": 1, "restored": 1},
    )


@arrow(
    (State.QUEUED, State.SUBMITTING), State.HELD, "Redis was restored from a backup: it may have been submitted since"
)
def held_after_restore(job: Job) -> Change:
    """Have a person decide; the next claim releases the slot."""
    return Change(
        to=State.HELD,
        fields={"failure_code": FailureCode.SUBMIT_UNKNOWN, "failure_detail": RESTORED},
        due_in=0 if job.slot else None,
        note="held",
        data={"reason": RESTORED},
        count={"held": 1, "restored": 1},
    )


def signed(change: Change, by: str) -> Change:
    """Note in the job's log who made a change: an API key's id, `console`, `cli`, or empty."""
    return change.model_copy(update={"data": {**change.data, "by": by}}) if by else change


def _marked(job: Job, step: Step) -> JobFields:
    """The next replay by filter skips the job."""
    return {"replayed": ",".join(sorted({*job.replayed_from, step.value}))}


def _replay(job: Job, step: Step) -> dict[str, Any]:
    was = {"was": job.state} if job.state.finished else {}
    code = {"code": job.failure_code} if job.failure_code else {}
    return {"from": step, **was, **code}
