"""Celery's request of a step that skipped Celery's consumer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery.utils.functional import noop
from kombu.transport.virtual import Message

from swapline_producer.messaging.celery_message import as_dict, body_of
from swapline_workers.dispatch.request import StepRequest

if TYPE_CHECKING:
    from swapline_producer.contract import StepMessage


class LocalRequest(StepRequest):
    """A request like Celery's, built when read. Class attributes replace `Request`'s slots."""

    acknowledged = True
    _on_ack = staticmethod(noop)
    _on_reject = staticmethod(noop)
    _parent_id = None
    _eta = None
    _expires = None
    _utc = True
    _decoded = False
    _content_type = "application/json"
    _content_encoding = "utf-8"
    _kwargsrepr = "{}"
    _ignore_result = True

    def __init__(self, message: StepMessage, queue: str, raw: dict[str, Any] | None, consumer: Any) -> None:
        """`raw`: the message in the broker's list, if published."""
        self.step_message = message
        self._queue = queue
        self._raw = raw
        self._consumer = consumer
        task_name, task_id = message.step.task, message.step.task_id(message.job_id)
        facts = {
            "id": task_id,
            "name": task_name,
            "_type": task_name,
            "_root_id": task_id,
            "_args": [message.job_id, message.version],
            "_kwargs": {},
            "_delivery_info": {"exchange": "", "routing_key": queue, "priority": 0, "redelivered": False},
            "_argsrepr": message.job_id,
            "_app": consumer.app,
            "_task": consumer.app.tasks[task_name],
            "_hostname": consumer.hostname,
            "_eventer": consumer.event_dispatcher,
        }
        for name, value in facts.items():
            setattr(self, name, value)  # slots that celery-types does not know

    @property
    def _raw_message(self) -> dict[str, Any]:
        if self._raw is None:
            self._raw = as_dict(self.step_message, self._queue)
        return self._raw

    @cached_property
    def _message(self) -> Message:
        return Message(self._raw_message, channel=self._consumer.task_consumer.channel)

    @cached_property
    def _body(self) -> Any:
        return self._message.body

    @cached_property
    def _payload(self) -> Any:
        return body_of(self.step_message)

    @cached_property
    def _connection_errors(self) -> Any:
        return self._consumer.connection_errors

    @cached_property
    def _request_dict(self) -> dict[str, Any]:
        return self.facts()

    def facts(self) -> dict[str, Any]:
        """Return what Celery's tracer knows of the message and its delivery, in a new dict."""
        raw = self._raw_message
        properties = raw["properties"]
        return {
            **raw["headers"],
            "properties": properties,
            "reply_to": properties.get("reply_to"),
            "correlation_id": properties.get("correlation_id"),
            "hostname": self._consumer.hostname,
            "delivery_info": self.delivery_info,
            "args": self.args,
            "kwargs": self.kwargs,
        }
