"""One delivery of one event.

A disabled endpoint's webhook is given up, for a person to send again. Waiting for a permit is no attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_producer.contract import Job, Notification, transitions
from swapline_producer.errors import StorageError
from swapline_producer.webhooks.endpoints import endpoint_of, host_of
from swapline_workers.core.outcomes import Again, Outcome, Retry, Stop
from swapline_workers.core.retry import webhook_wait
from swapline_workers.errors import WebhookFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import JsonValue

    from swapline_producer.contract import Batch
    from swapline_producer.contract.answers import Endpoint
    from swapline_producer.contract.changes import Change
    from swapline_workers.steps.ports import Answer, Ports

LONGEST_REASON = 500
"""Characters stored with the job."""

SECONDS = 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """The change to write after a delivery, and what follows it."""

    change: Change
    outcome: Outcome
    recovered: str | None = None
    """The id of the endpoint, where it had failed before."""
    failing: Endpoint | None = None
    """The endpoint, where it failed now."""
    gone: bool = False
    """Whether it answered 410."""


def deliver(record: Job | Batch, url: str, send: Callable[[], Answer], ports: Ports) -> Delivery:
    """Deliver the event of a job or batch once, if its endpoint is enabled and a permit is free."""
    endpoint = endpoint_of(record.tenant, url)
    known = ports.endpoints.endpoint(endpoint.endpoint_id)
    if known is not None and known.disabled_at is not None:
        return _disabled(record, known)
    with ports.bulkhead.permit(host_of(url)) as permit:
        if permit.wait:
            delivery = _postponed(record, permit.wait)
        else:
            try:
                delivery = _delivered(record, send(), ports, recovered=endpoint.endpoint_id if known else None)
            except (WebhookFailed, StorageError) as error:
                failure = error if isinstance(error, WebhookFailed) else _unsigned(error)
                permit.failed = not failure.ours
                delivery = _failed(record, endpoint, failure, ports)
    return delivery


def conclude(delivery: Delivery, ports: Ports) -> Outcome:
    """Write the endpoint's part, after the job's own; return what follows. Success at a healthy one costs no call."""
    if delivery.recovered:
        ports.endpoints.endpoint_recovered(delivery.recovered)
    if delivery.failing:
        patience = ports.policy.webhook_disable_after
        ports.endpoints.endpoint_failed(delivery.failing, gone=delivery.gone, patience=patience)
    return delivery.outcome


def _delivered(record: Job | Batch, answer: Answer, ports: Ports, *, recovered: str | None) -> Delivery:
    ended_at = record.finished_at if isinstance(record, Job) else None
    change = transitions.notified(
        record,
        Notification.DELIVERED,
        record.notify_attempts + 1,
        retry_in=None,
        facts=_facts(record, answer.status, answer.seconds, answer.response_sha256),
        lag=(ports.view.now() - ended_at) / SECONDS if ended_at else None,
    )
    return Delivery(change, Stop(f"answered {answer.status}"), recovered=recovered)


def _failed(record: Job | Batch, endpoint: Endpoint, error: WebhookFailed, ports: Ports) -> Delivery:
    attempts, reason = record.notify_attempts + 1, str(error)[:LONGEST_REASON]
    facts = _facts(record, error.status, error.seconds, error.response_sha256) | {"error": reason}
    wait = None
    if not error.gone:
        wait = webhook_wait(ports.policy.webhook_schedule, attempts, ports.rng(), error.retry_after)
    outcome: Outcome = Stop(reason)
    if wait is not None:
        facts["next_in"] = round(wait, 3)
        outcome = Retry(wait, reason)
    after = Notification.DEAD if wait is None else Notification.PENDING
    change = transitions.notified(record, after, attempts, retry_in=wait, facts=facts)
    failing = None if error.ours else endpoint.model_copy(update={"error": reason, "status": error.status})
    return Delivery(change, outcome, failing=failing, gone=error.gone)


def _disabled(record: Job | Batch, endpoint: Endpoint) -> Delivery:
    reason = f"not sent: the endpoint {endpoint.endpoint_id} ({endpoint.address}) is disabled"
    attempts, facts = record.notify_attempts, {"error": reason}
    change = transitions.notified(record, Notification.DEAD, attempts, retry_in=None, facts=facts)
    return Delivery(change, Stop(reason))


def _postponed(record: Job | Batch, wait: float) -> Delivery:
    change = transitions.postponed(record, retry_in=wait)
    return Delivery(change, Again(wait, "its receiver is busy, or failed too often lately"))


def _unsigned(error: StorageError) -> WebhookFailed:
    return WebhookFailed(f"the pictures' addresses could not be signed: {error}", ours=True)


def _facts(record: Job | Batch, status: int | None, seconds: float | None, digest: str | None) -> dict[str, JsonValue]:
    """Return the known facts of an attempt for the job's log."""
    facts: dict[str, JsonValue] = {
        "attempt": record.notify_attempts + 1,
        "status": status,
        "seconds": None if seconds is None else round(seconds, 3),
        "response_sha256": digest,
    }
    return {name: value for name, value in facts.items() if value is not None}
