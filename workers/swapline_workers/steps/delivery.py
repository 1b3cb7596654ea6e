"""One delivery of one event, of a job or of a batch: may it go, did it arrive, what follows.

An endpoint that is disabled is not called: what it should have been told is given up at once, where a person sees it
and can send it again. A host that has no lane free, or rests after failures, is asked later; that is no attempt.
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

    from swapline_producer.contract.changes import Endpoint, FieldValue
    from swapline_workers.steps.ports import Answer, Ports

LONGEST_REASON = 500
"""Letters of what went wrong that are kept with the job, for each attempt."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of a delivery: how the notification stands now, and when it is tried again (`wait` in seconds)."""

    endpoint: Endpoint
    notification: Notification
    attempts: int
    reason: str
    data: dict[str, JsonValue]
    wait: float | None = None
    error: WebhookFailed | None = None
    was_failing: bool = False

    @property
    def note(self) -> str:
        """The name of the line in the log."""
        return "webhook failed" if self.wait is not None else f"webhook {self.notification.value.lower()}"

    @property
    def fields(self) -> dict[str, FieldValue]:
        """What is written."""
        return {"notification": self.notification, "notify_attempts": self.attempts}

    @property
    def count(self) -> dict[str, int]:
        """Counters to add to."""
        tried = {"webhook_attempts": 1} if "attempt" in self.data else {}
        return tried | ({} if self.notification is Notification.PENDING else {f"webhook.{self.notification}": 1})


def tell(url: str, tenant: str, attempts: int, send: Callable[[], Answer], ports: Ports) -> DeliveryOutcome | float:
    """Deliver once, after `attempts` failed ones; gives what became of it, or seconds to wait for a lane.

    What it says of the endpoint is written by `remember`, after the job or batch itself.
    """
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


def remember(told: DeliveryOutcome, ports: Ports) -> None:
    """Write down what an attempt says of its endpoint. Costs nothing where all is well."""
    if told.notification is Notification.DELIVERED:
        if told.was_failing:
            ports.endpoints.endpoint_recovered(told.endpoint.endpoint_id)
    elif told.error is not None and not told.error.ours:
        failing = told.endpoint.model_copy(update={"error": told.reason, "status": told.error.status})
        ports.endpoints.endpoint_failed(failing, gone=told.error.gone, patience=ports.policy.webhook_disable_after)


def _delivered(endpoint: Endpoint, attempts: int, answer: Answer, *, was_failing: bool) -> DeliveryOutcome:
    data = _facts(attempts, answer.status, answer.seconds, answer.response_sha256)
    reason = f"answered {answer.status}"
    return DeliveryOutcome(endpoint, Notification.DELIVERED, attempts, reason, data, was_failing=was_failing)


def _failed(endpoint: Endpoint, attempts: int, error: WebhookFailed, ports: Ports) -> DeliveryOutcome:
    wait = None
    if not error.gone:
        wait = webhook_wait(ports.policy.webhook_schedule, attempts, ports.rng(), error.retry_after)
    reason = str(error)[:LONGEST_REASON]
    data = _facts(attempts, error.status, error.seconds, error.response_sha256) | {"error": reason}
    if wait is not None:
        data["next_in"] = round(wait, 3)
    after = Notification.DEAD if wait is None else Notification.PENDING
    return DeliveryOutcome(endpoint, after, attempts, reason, data, wait, error)


def _disabled(endpoint: Endpoint, attempts: int) -> DeliveryOutcome:
    reason = f"not sent: the endpoint {endpoint.endpoint_id} ({endpoint.address}) is disabled"
    return DeliveryOutcome(endpoint, Notification.DEAD, attempts, reason, {"error": reason})


def _facts(attempts: int, status: int | None, seconds: float | None, digest: str | None) -> dict[str, JsonValue]:
    """A line of the delivery log."""
    facts: dict[str, JsonValue] = {"attempt": attempts}
    if status is not None:
        facts["status"] = status
    if seconds is not None:
        facts["seconds"] = round(seconds, 3)
    if digest is not None:
        facts["response_sha256"] = digest
    return facts
