"""Task events only while somebody listens: Flower, an exporter, `celery events`.

Celery builds and publishes three events for each message whether anybody hears them or not, which was a quarter of a
worker's whole work. But Redis says how many heard a message: when it was nobody, task events are left out for a
moment, then one is tried again. So a monitor that comes misses a quarter of a second at most, and an idle worker misses
nothing. The worker's own events (online, heartbeat) are always sent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher
from celery.events.event import group_from

if TYPE_CHECKING:
    from collections.abc import Callable

DEAF = 0.25
"""Seconds without task events after one that nobody heard: four of a saturated worker's thousand events a second."""


class ListenedDispatcher(EventDispatcher):
    """Celery's dispatcher, which asks after each event how many heard it."""

    clock_now: Callable[[], float] = staticmethod(time.monotonic)
    _silent_until = 0.0

    def send(self, type: str, *arguments: Any, **fields: Any) -> Any:  # noqa: A002 -- Celery's own name
        """Send an event, or leave it out."""
        if group_from(type) == "task" and self.clock_now() < self._silent_until:
            return None
        return super().send(type, *arguments, **fields)

    def _publish(self, event: Any, producer: Any, *arguments: Any, **options: Any) -> Any:
        sent: Any = super()._publish(event, producer, *arguments, **options)  # type: ignore[misc]  # Celery's own
        heard = getattr(getattr(producer, "channel", None), "heard_by", None)
        self._silent_until = self.clock_now() + DEAF if heard == 0 else 0.0
        return sent


class Events(CeleryEvents):
    """What the app takes its dispatcher from."""

    dispatcher_cls = "swapline_workers.dispatch.events:ListenedDispatcher"
