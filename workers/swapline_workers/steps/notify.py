"""notify: sign the event and post it; failed attempts are repeated by `due`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Batch, Job, Notification, transitions
from swapline_workers.core.outcomes import STALE, Again, Outcome, Retry, Stop
from swapline_workers.core.webhook_events import batch_event, batch_webhook_id, swap_event, webhook_id
from swapline_workers.steps.decision import Write, carry_out
from swapline_workers.steps.delivery import Delivery, deliver, note_endpoint

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change
    from swapline_workers.steps.ports import Answer, Ports

SECONDS = 1000

NOTHING_PENDING = Stop("no webhook is pending")


def notify(job: Job, at: int, ports: Ports) -> Outcome:
    """Deliver the job's event once."""
    url = job.spec.webhook_url
    if job.notification is not Notification.PENDING or url is None:
        return NOTHING_PENDING

    def send() -> Answer:
        event = swap_event(job, at, ports.pictures.url)
        return ports.webhooks.deliver(url, job.tenant, webhook_id(job), event)

    delivery = deliver(url, job.tenant, job.notify_attempts, send, ports)
    lag = None
    if not isinstance(delivery, float) and delivery.notification is Notification.DELIVERED and job.finished_at:
        lag = (ports.view.now() - job.finished_at) / SECONDS
    change = _change(job, delivery, lag)
    return carry_out(Write(job, change, lambda _: _outcome(delivery, ports)), ports.writes.advance)


def notify_batch(batch: Batch, ports: Ports) -> Outcome:
    """Deliver a completed batch's event once."""
    if batch.notification is not Notification.PENDING:
        return NOTHING_PENDING

    def send() -> Answer:
        return ports.webhooks.deliver(batch.webhook_url, batch.tenant, batch_webhook_id(batch), batch_event(batch))

    delivery = deliver(batch.webhook_url, batch.tenant, batch.notify_attempts, send, ports)
    written = ports.writes.advance_batch(batch, _change(batch, delivery))
    return _outcome(delivery, ports) if written else STALE


def _change(record: Job | Batch, delivery: Delivery | float, lag: float | None = None) -> Change:
    if isinstance(delivery, float):
        return transitions.postponed(record, retry_in=delivery)
    return transitions.notified(
        record, delivery.notification, delivery.attempts, retry_in=delivery.retry_in, facts=delivery.facts, lag=lag
    )


def _outcome(delivery: Delivery | float, ports: Ports) -> Outcome:
    if isinstance(delivery, float):
        return Again(delivery, "its receiver is busy, or failed too often lately")
    note_endpoint(delivery, ports)
    return Retry(delivery.retry_in, delivery.reason) if delivery.retry_in is not None else Stop(delivery.reason)
