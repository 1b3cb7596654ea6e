"""One delivery of one event.

A disabled endpoint's webhook is given up, for a person to send again. Waiting for a permit is no attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_producer.contract import Notification
from swapline_producer.errors import StorageError
from swapline_producer.webhooks.endpoints import endpoint_of, host_of
from swapline_workers.core.retry import webhook_wait
from swapline_workers.errors import WebhookFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import JsonValue

    from swapline_producer.contract.answers import Endpoint
    from swapline_workers.steps.ports import Answer, Ports

LONGEST_REASON = 500
"""Characters stored with the job."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The notification's state, and the seconds until the next attempt."""

    endpoint: Endpoint
    notification: Notification
    attempts: int
    reason: str
    facts: dict[str, JsonValue]
    retry_in: float | None = None
    error: WebhookFailed | None = None
    was_failing: bool = False


def deliver(url: str, tenant: str, attempts: int, send: Callable[[], Answer], ports: Ports) -> Delivery | float:
    """Deliver once, after `attempts` failed ones; return the result, or the seconds until a permit."""
    endpoint = endpoint_of(tenant, url)
    known = ports.endpoints.endpoint(endpoint.endpoint_id)
    if known is not None and known.disabled_at is not None:
        return _disabled(known, attempts)
    with ports.bulkhead.permit(host_of(url)) as permit:
        if permit.wait:
            return permit.wait
        try:
            answer = send()
        except WebhookFailed as error:
            permit.failed = not error.ours
            return _failed(endpoint, attempts + 1, error, ports)
        except StorageError as error:
            sentence = f"the pictures' addresses could not be signed: {error}"
            return _failed(endpoint, attempts + 1, WebhookFailed(sentence, ours=True), ports)
    return _delivered(endpoint, attempts + 1, answer, was_failing=known is not None)


def note_endpoint(delivery: Delivery, ports: Ports) -> None:
    """Write the endpoint's part, after the job's own. A healthy endpoint's success costs no call."""
    endpoint, error = delivery.endpoint, delivery.error
    if delivery.was_failing and delivery.notification is Notification.DELIVERED:
        ports.endpoints.endpoint_recovered(endpoint.endpoint_id)
    elif error is not None and not error.ours:
        failing = endpoint.model_copy(update={"error": delivery.reason, "status": error.status})
        ports.endpoints.endpoint_failed(failing, gone=error.gone, patience=ports.policy.webhook_disable_after)


def _delivered(endpoint: Endpoint, attempts: int, answer: Answer, *, was_failing: bool) -> Delivery:
    data = _facts(attempts, answer.status, answer.seconds, answer.response_sha256)
    reason = f"answered {answer.status}"
    return Delivery(endpoint, Notification.DELIVERED, attempts, reason, data, was_failing=was_failing)


def _failed(endpoint: Endpoint, attempts: int, error: WebhookFailed, ports: Ports) -> Delivery:
    wait = None
    if not error.gone:
        wait = webhook_wait(ports.policy.webhook_schedule, attempts, ports.rng(), error.retry_after)
    reason = str(error)[:LONGEST_REASON]
    data = _facts(attempts, error.status, error.seconds, error.response_sha256) | {"error": reason}
    if wait is not None:
        data["next_in"] = round(wait, 3)
    after = Notification.DEAD if wait is None else Notification.PENDING
    return Delivery(endpoint, after, attempts, reason, data, wait, error)


def _disabled(endpoint: Endpoint, attempts: int) -> Delivery:
    reason = f"not sent: the endpoint {endpoint.endpoint_id} ({endpoint.address}) is disabled"
    return Delivery(endpoint, Notification.DEAD, attempts, reason, {"error": reason})


def _facts(attempts: int, status: int | None, seconds: float | None, digest: str | None) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = {"attempt": attempts}
    if status is not None:
        facts["status"] = status
    if seconds is not None:
        facts["seconds"] = round(seconds, 3)
    if digest is not None:
        facts["response_sha256"] = digest
    return facts
