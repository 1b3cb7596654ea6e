"""Send task events, a quarter of a worker's work, only while a monitor is subscribed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher
from celery.events.event import group_from

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT_PAUSE_S = 0.25
"""Seconds: 4 events instead of a saturated worker's 1,000 a second."""


class SubscribedDispatcher(EventDispatcher):
    """Celery's dispatcher, which counts subscribers."""

    clock_now: Callable[[], float] = staticmethod(time.monotonic)
    _is_observed = True
    _paused_until = 0.0

    def send(self, type: str, *arguments: Any, **fields: Any) -> Any:  # noqa: A002 -- Celery's own name
        """Send an event; without subscribers, one task event a pause."""
        if not self._is_observed and group_from(type) == "task":
            now = self.clock_now()
            if now < self._paused_until:
                return None
            self._paused_until = now + EVENT_PAUSE_S  # now: events are buffered before they are published
        return super().send(type, *arguments, **fields)

    def _publish(self, event: Any, producer: Any, *arguments: Any, **options: Any) -> Any:
        sent: Any = super()._publish(event, producer, *arguments, **options)  # type: ignore[misc]  # Celery's own
        subscribers = getattr(getattr(producer, "channel", None), "subscribers", None)
        self._is_observed, self._paused_until = subscribers != 0, self.clock_now() + EVENT_PAUSE_S
        return sent


class Events(CeleryEvents):
    """The app's source of dispatchers."""

    dispatcher_cls = "swapline_workers.dispatch.local.events:SubscribedDispatcher"
