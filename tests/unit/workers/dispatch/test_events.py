"""Task events while somebody listens, the worker's own always."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from swapline_workers.dispatch.events import DEAF, ListenedDispatcher


class Wire:
    """A producer whose channel says how many heard."""

    def __init__(self) -> None:
        self.channel = self
        self.heard_by = 0
        self.sent: list[str] = []

    def publish(self, event: dict[str, Any], **_: Any) -> None:
        self.sent.append(event["type"])


class Listened(ListenedDispatcher):
    """With a clock that the test moves."""

    at = 100.0

    def clock_now(self) -> float:
        return self.at


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def dispatcher(wire: Wire) -> Listened:
    app = Celery("any", broker="memory://", set_as_current=False)
    built = Listened(app.connection_for_write(), app=app, enabled=False)
    built.enabled = True
    built.__dict__["producer"] = wire
    return built


def test_while_nobody_listens_one_event_in_a_while_is_tried(dispatcher: Listened, wire: Wire) -> None:
    for _ in range(5):
        dispatcher.send("task-received")
    assert wire.sent == ["task-received"]
    dispatcher.at += DEAF
    dispatcher.send("task-succeeded")
    assert wire.sent == ["task-received", "task-succeeded"]


def test_while_somebody_listens_every_event_is_sent(dispatcher: Listened, wire: Wire) -> None:
    wire.heard_by = 1
    for _ in range(5):
        dispatcher.send("task-received")
    assert len(wire.sent) == 5


def test_the_workers_own_events_are_always_sent_and_hear_who_has_come(dispatcher: Listened, wire: Wire) -> None:
    dispatcher.send("task-received")
    wire.heard_by = 1
    dispatcher.send("worker-heartbeat")
    dispatcher.send("task-received")
    assert wire.sent == ["task-received", "worker-heartbeat", "task-received"]
