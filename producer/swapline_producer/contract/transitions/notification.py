"""Changes of a job or batch that the step `notify` makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from swapline_producer.contract.changes import Change, Evidence
from swapline_producer.contract.enums import FINISHED, Notification, State
from swapline_producer.contract.jobs.batches import Batch
from swapline_producer.contract.transitions.table import arrow

if TYPE_CHECKING:
    from swapline_producer.contract.jobs.job import Job

NOTIFYING = [state for state in State if state in FINISHED or state is State.HELD]


@arrow(NOTIFYING, None, "its webhook was tried")
def notified(
    record: Job | Batch,
    notification: Notification,
    attempts: int,
    *,
    retry_in: float | None,
    facts: Evidence,
    lag: float | None = None,
) -> Change:
    """A delivery was tried, or given up. `lag`: seconds since the job's end."""
    note = "webhook failed" if retry_in is not None else f"webhook {notification.value.lower()}"
    tried = {"webhook_attempts": 1} if "attempt" in facts else {}
    settled = {} if notification is Notification.PENDING else {f"webhook.{notification}": 1}
    return Change(
        to=_state(record),
        fields={"notification": notification, "notify_attempts": attempts},
        due_in=retry_in,
        due_by=_due_by(record),
        note=note,
        data=dict(facts),
        count={**tried, **settled},
        timed={} if lag is None else {"webhook_lag": lag},
    )


@arrow(NOTIFYING, None, "its receiver is busy, or failed too often lately: its webhook waits")
def postponed(record: Job | Batch, *, retry_in: float) -> Change:
    """Nothing was tried: the receiver has all the deliveries that it may."""
    return Change(to=_state(record), due_in=retry_in, due_by=_due_by(record))


def _state(record: Job | Batch) -> State:
    return State.SUCCEEDED if isinstance(record, Batch) else record.state


def _due_by(record: Job | Batch) -> Literal["run_until"] | None:
    """A HELD job stays in `due`: its slot is released at the run timeout."""
    return "run_until" if _state(record) is State.HELD else None
