"""Celery's signals around a publication, where a receiver is connected, in a copy of the context."""

from __future__ import annotations

import sys
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

from swapline_producer.messaging.celery_message import as_dict, body_of

if TYPE_CHECKING:
    from contextvars import Context

    from swapline_producer.contract import StepMessage


class ObservedMessage:
    """A message whose publication is observed."""

    def __init__(self, message: StepMessage, queue: str) -> None:
        """Send `before_task_publish`; `raw` has receivers' headers."""
        self.raw: dict[str, Any] = as_dict(message, queue)
        self._context: Context = copy_context()
        self._facts: dict[str, Any] = {
            "sender": message.step.task,
            "body": tuple(body_of(message)),
            "exchange": "",
            "routing_key": queue,
            "headers": self.raw["headers"],
        }
        self._send(
            "before_task_publish",
            properties=self.raw["properties"],
            declare=[_declared(queue)],
            retry_policy={},
        )

    def published(self) -> None:
        """Send `after_task_publish`."""
        self._send("after_task_publish")

    def _send(self, signal: str, **more: Any) -> None:
        self._context.run(getattr(sys.modules["celery.signals"], signal).send, **self._facts, **more)


@cache
def _declared(queue: str) -> Any:
    """Return the queue for receivers; building one costs as much as three signals."""
    return sys.modules["kombu"].Queue(queue)


def is_observed() -> bool:
    """Whether a receiver is connected."""
    signals = sys.modules.get("celery.signals")
    return signals is not None and bool(signals.before_task_publish.receivers or signals.after_task_publish.receivers)
