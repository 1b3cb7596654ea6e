"""Task events while a monitor is subscribed, the worker's own always."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from swapline_workers.dispatch.local.events import EVENT_PAUSE_S, SubscribedDispatcher


class Wire:
    """A producer whose channel counts subscribers."""

    def __init__(self) -> None:
        self.channel = self
        self.subscribers = 0
        self.sent: list[str] = []

    def publish(self, event: dict[str, Any], **_: Any) -> None:
        self.sent.append(event["type"])


class Timed(SubscribedDispatcher):
    """With a time that the test sets."""

    at = 100.0

    def clock_now(self) -> float:
        return self.at


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def dispatcher(wire: Wire) -> Timed:
    app = Celery("any", broker="memory://", set_as_current=False)
    built = Timed(app.connection_for_write(), app=app, enabled=False)
    built.enabled = True
    built.__dict__["producer"] = wire
    return built


def test_without_subscribers_one_event_a_pause_is_sent(dispatcher: Timed, wire: Wire) -> None:
    for _ in range(5):
        dispatcher.send("task-received")
    assert wire.sent == ["task-received"]
    dispatcher.at += EVENT_PAUSE_S
    dispatcher.send("task-succeeded")
    assert wire.sent == ["task-received", "task-succeeded"]


def test_without_subscribers_no_event_is_added_to_one_that_is_buffered(dispatcher: Timed) -> None:
    dispatcher.send("worker-heartbeat")
    dispatcher.at += EVENT_PAUSE_S
    vars(dispatcher)["buffer_group"] = frozenset({"task"})
    for _ in range(5):
        dispatcher.send("task-received")
    assert [len(events) for events in vars(dispatcher)["_group_buffer"].values()] == [1]


def test_with_subscribers_every_event_is_sent(dispatcher: Timed, wire: Wire) -> None:
    wire.subscribers = 1
    for _ in range(5):
        dispatcher.send("task-received")
    assert len(wire.sent) == 5


def test_the_workers_own_events_are_always_sent_and_find_new_subscribers(dispatcher: Timed, wire: Wire) -> None:
    dispatcher.send("task-received")
    wire.subscribers = 1
    dispatcher.send("worker-heartbeat")
    dispatcher.send("task-received")
    assert wire.sent == ["task-received", "worker-heartbeat", "task-received"]
