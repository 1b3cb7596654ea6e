"""notify: sign the event and post it; failed attempts are repeated by `due`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Batch, Job, Notification
from swapline_workers.core.outcomes import STALE, Outcome, Stop
from swapline_workers.core.webhook_events import batch_event, batch_webhook_id, swap_event, webhook_id
from swapline_workers.steps.decision import Write, carry_out
from swapline_workers.steps.delivery import conclude, deliver

if TYPE_CHECKING:
    from swapline_workers.steps.ports import Ports

NOTHING_PENDING = Stop("no webhook is pending")


def notify(job: Job, at: int, ports: Ports) -> Outcome:
    """Deliver the job's event once."""
    url = job.spec.webhook_url
    if job.notification is not Notification.PENDING or url is None:
        return NOTHING_PENDING
    post, url_of = ports.webhooks.deliver, ports.pictures.url
    delivery = deliver(job, url, lambda: post(url, job.tenant, webhook_id(job), swap_event(job, at, url_of)), ports)
    return carry_out(Write(job, delivery.change, lambda _: conclude(delivery, ports)), ports.writes.advance)


def notify_batch(batch: Batch, ports: Ports) -> Outcome:
    """Deliver a completed batch's event once."""
    url, tenant = batch.webhook_url, batch.tenant
    if batch.notification is not Notification.PENDING:
        return NOTHING_PENDING
    post = ports.webhooks.deliver
    delivery = deliver(batch, url, lambda: post(url, tenant, batch_webhook_id(batch), batch_event(batch)), ports)
    return conclude(delivery, ports) if ports.writes.advance_batch(batch, delivery.change) else STALE
