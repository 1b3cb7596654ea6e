"""What a change becomes where the job is to be canceled: who asked for it may not have known.

A job goes on as long as the vendor has it. Its way back into the line, and its end, are CANCELED.
"""

from __future__ import annotations

from swapline_producer.contract import Canceling, FailureCode, Job, State
from swapline_producer.contract.changes import Change, FieldValue, notification_fields


def apply_cancellation(job: Job, change: Change) -> Change:
    """The change that is to be written for a job that is to be canceled."""
    if job.canceling is None or job.state.finished or change.to is State.CANCELED:
        return change
    dropped = job.canceling is Canceling.DROP
    if change.to is State.SUCCEEDED and dropped:
        return Change(
            to=State.STORING, due_in=0
        )  # its pictures are stored by now: the step comes again, and drops them
    completed = change.to is State.STORING and job.state is State.RUNNING
    if change.to.finished or change.to is State.QUEUED or (completed and dropped):
        return _end(job, change)
    return change


def _end(job: Job, change: Change) -> Change:
    """The same facts, with another end. Whoever ends a job sends its webhook on; otherwise the clock does."""
    tells = job.spec.webhook_url is not None
    fields: dict[str, FieldValue] = {
        **change.fields,
        "failure_code": FailureCode.CANCELED,
        "failure_detail": _detail(change),
        "attempt_open": False,
        **notification_fields(job),
    }
    kept = {name: by for name, by in change.count.items() if not name.startswith(("finished.", "failed."))}
    update = {
        "to": State.CANCELED,
        "fields": fields,
        "due_in": change.due_in if change.to.finished else 0 if tells else None,
        "due_by": None,
        "note": "canceled",
        "data": {**change.data, "instead_of": change.to},
        "in_line": False,
        "sends": change.sends and change.to.finished,
        "count": {**kept, f"finished.{State.CANCELED}": 1, f"failed.{FailureCode.CANCELED}": 1},
    }
    return change.model_copy(update=update)


def _detail(change: Change) -> str:
    if change.to is State.SUCCEEDED:
        return "canceled; its result was kept"
    if change.to is State.STORING:
        return "canceled; its result was dropped"
    if change.to is State.QUEUED:
        return "canceled; " + ("it was not charged" if change.refund else "it may have been charged")
    return f"canceled; it would have been {change.to}: {change.fields.get('failure_detail')}"
