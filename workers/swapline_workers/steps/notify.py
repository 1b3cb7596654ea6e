"""notify: sign the event and post it; what fails is tried again on the long schedule, driven by `due`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.change import Change, FieldValue
from swapline_producer.contract import Job, Notification, State
from swapline_producer.errors import StorageError
from swapline_workers.core.events import swap_event, webhook_id
from swapline_workers.core.outcomes import STALE, Outcome, Retry, Stop
from swapline_workers.core.retry import webhook_wait
from swapline_workers.errors import WebhookFailed

if TYPE_CHECKING:
    from swapline_workers.steps.ports import Ports

SECONDS = 1000


def notify(job: Job, at: int, ports: Ports) -> Outcome:
    """Deliver the job's event once."""
    if job.notification is not Notification.PENDING or job.spec.webhook_url is None:
        return Stop("nobody waits to be told")
    try:
        event = swap_event(job, at, ports.pictures.url)
        status = ports.webhooks.deliver(job.spec.webhook_url, webhook_id(job), event)
    except WebhookFailed as error:
        return _failed(job, ports, error)
    except StorageError as error:
        return _failed(job, ports, WebhookFailed(f"the pictures' addresses could not be signed: {error}"))
    return _settle(job, ports, Notification.DELIVERED, f"answered {status}")


def _failed(job: Job, ports: Ports, error: WebhookFailed) -> Outcome:
    attempts = job.notify_attempts + 1
    wait = None if error.gone else webhook_wait(attempts, ports.chance(), error.retry_after)
    if wait is None:
        return _settle(job, ports, Notification.DEAD, str(error))
    change = _change(job, Notification.PENDING, "webhook failed", str(error))
    later = change.model_copy(update={"due_in": wait, "due_by": _slot_deadline(job)})
    return Retry(wait, str(error)) if ports.desk.advance(job, later) else STALE


def _settle(job: Job, ports: Ports, to: Notification, reason: str) -> Outcome:
    change = _change(job, to, f"webhook {to.value.lower()}", reason)
    told = to is Notification.DELIVERED and job.finished_at is not None
    timed = {"webhook_lag": (ports.desk.now() - (job.finished_at or 0)) / SECONDS} if told else {}
    settled = change.model_copy(update={"due_by": _slot_deadline(job), "timed": timed})
    return Stop(reason) if ports.desk.advance(job, settled) else STALE


def _change(job: Job, to: Notification, note: str, reason: str) -> Change:
    attempts = job.notify_attempts + 1
    fields: dict[str, FieldValue] = {"notification": to, "notify_attempts": attempts}
    count = {"webhook_attempts": 1, f"webhook.{to}": 0 if to is Notification.PENDING else 1}
    return Change(to=job.state, fields=fields, note=note, data={"attempt": attempts, "reason": reason}, count=count)


def _slot_deadline(job: Job) -> str | None:
    """A held job still has an entry in `due` when its webhook is settled: its slot is let go at the run timeout."""
    return "run_until" if job.state is State.HELD else None
