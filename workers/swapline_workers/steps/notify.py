"""notify: sign the event and post it; what fails is tried again on the long schedule, driven by `due`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Batch, Job, Notification, State
from swapline_producer.contract.changes import Change
from swapline_workers.core.outcomes import STALE, Again, Outcome, Retry, Stop
from swapline_workers.core.webhook_events import batch_event, batch_webhook_id, swap_event, webhook_id
from swapline_workers.steps.delivery import DeliveryOutcome, remember, tell

if TYPE_CHECKING:
    from swapline_workers.steps.ports import Answer, Ports

SECONDS = 1000


def notify(job: Job, at: int, ports: Ports) -> Outcome:
    """Deliver the job's event once."""
    url = job.spec.webhook_url
    if job.notification is not Notification.PENDING or url is None:
        return Stop("nobody waits to be told")

    def send() -> Answer:
        event = swap_event(job, at, ports.pictures.url)
        return ports.webhooks.deliver(url, job.tenant, webhook_id(job), event)

    told = tell(url, job.tenant, job.notify_attempts, send, ports)
    # A held job still has an entry in `due` when its webhook is settled: its slot is let go at the run timeout.
    update = {
        "to": job.state,
        "due_by": "run_until" if job.state is State.HELD else None,
        "timed": _lag(told, job, ports),
    }
    change = _change(told).model_copy(update=update)
    return _outcome(told, ports, written=ports.session.advance(job, change) is not None)


def announce(batch: Batch, ports: Ports) -> Outcome:
    """Deliver the event of a batch that is completed, once."""
    if batch.notification is not Notification.PENDING:
        return Stop("nobody waits to be told")

    def send() -> Answer:
        return ports.webhooks.deliver(batch.webhook_url, batch.tenant, batch_webhook_id(batch), batch_event(batch))

    told = tell(batch.webhook_url, batch.tenant, batch.notify_attempts, send, ports)
    return _outcome(told, ports, written=ports.session.advance_batch(batch, _change(told)))


def _lag(told: DeliveryOutcome | float, job: Job, ports: Ports) -> dict[str, float]:
    """How long after its end a job's customer knew of it."""
    if isinstance(told, float) or told.notification is not Notification.DELIVERED or job.finished_at is None:
        return {}
    return {"webhook_lag": (ports.session.now() - job.finished_at) / SECONDS}


def _change(told: DeliveryOutcome | float) -> Change:
    """What is written: of a delivery that had no lane, only when it asks again."""
    if isinstance(told, float):
        return Change(to=State.SUCCEEDED, due_in=told)
    return Change(
        to=State.SUCCEEDED,
        fields=told.fields,
        due_in=told.wait,
        note=told.note,
        data=told.data,
        count=told.count,
    )


def _outcome(told: DeliveryOutcome | float, ports: Ports, *, written: bool) -> Outcome:
    if not written:
        return STALE
    if isinstance(told, float):
        return Again(told, "its receiver is busy or rests")
    remember(told, ports)
    return Retry(told.wait, told.reason) if told.wait is not None else Stop(told.reason)
