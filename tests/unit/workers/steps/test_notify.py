from __future__ import annotations

import pytest

from support.jobs.fakes import AT, FakeWebhooks, World, job
from swapline_producer.contract import EventType, FailureCode, Notification, State, StoredPicture, SwapEvent
from swapline_workers.core.outcomes import Retry, Stop
from swapline_workers.errors import WebhookFailed
from swapline_workers.steps.notify import notify

HOOK = "https://example.com/hook"
PICTURE = StoredPicture(key="results/a/0.png", sha256="ab", bytes=9, width=1200, height=1800)


def test_a_delivered_webhook_is_settled() -> None:
    world = World()
    finished = job(
        State.SUCCEEDED, webhook_url=HOOK, notification=Notification.PENDING, images=(PICTURE,), finished_at=AT
    )
    assert isinstance(notify(finished, AT, world.ports), Stop)
    assert world.session.last.fields == {"notification": Notification.DELIVERED, "notify_attempts": 1}
    [(url, webhook_id, event)] = world.webhooks.delivered
    assert (url, webhook_id) == (HOOK, f"msg_{'0' * 32}_succeeded")
    assert (event.type, event.timestamp) == (EventType.SUCCEEDED, "1970-01-01T00:16:40.000Z")
    assert isinstance(event, SwapEvent)
    assert event.data.images[0].url == "https://store.example/results/a/0.png"


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.FAILED, EventType.FAILED),
        (State.EXPIRED, EventType.EXPIRED),
        (State.TIMED_OUT, EventType.TIMED_OUT),
        (State.CANCELED, EventType.CANCELED),
        (State.HELD, EventType.HELD),
    ],
)
def test_each_end_has_its_event(state: State, event: EventType) -> None:
    world = World()
    ended = job(state, webhook_url=HOOK, notification=Notification.PENDING, failure_code=FailureCode.LOST)
    notify(ended, AT, world.ports)
    assert world.webhooks.delivered[0][2].type is event


def test_a_failed_delivery_is_tried_again_on_the_schedule() -> None:
    world = World(webhooks=FakeWebhooks(WebhookFailed("answered 500", status=500)))
    outcome = notify(job(State.SUCCEEDED, webhook_url=HOOK, notification=Notification.PENDING), AT, world.ports)
    assert outcome == Retry(5.0, "answered 500")
    assert world.session.last.due_in == 5.0
    assert world.session.last.fields["notification"] is Notification.PENDING


def test_the_tenth_failure_is_the_last() -> None:
    world = World(webhooks=FakeWebhooks(WebhookFailed("answered 500", status=500)))
    tried = job(State.SUCCEEDED, webhook_url=HOOK, notification=Notification.PENDING, notify_attempts=9)
    assert notify(tried, AT, world.ports) == Stop("answered 500")
    assert world.session.last.fields == {"notification": Notification.DEAD, "notify_attempts": 10}


def test_an_endpoint_that_is_gone_is_not_tried_again() -> None:
    world = World(webhooks=FakeWebhooks(WebhookFailed("gone", status=410, gone=True)))
    notify(job(State.SUCCEEDED, webhook_url=HOOK, notification=Notification.PENDING), AT, world.ports)
    assert world.session.last.fields["notification"] is Notification.DEAD


def test_a_held_job_keeps_its_entry_in_due_when_its_webhook_is_settled() -> None:
    world = World()
    notify(job(State.HELD, webhook_url=HOOK, notification=Notification.PENDING), AT, world.ports)
    assert world.session.last.due_by == "run_until"


@pytest.mark.parametrize("notification", [Notification.NONE, Notification.DELIVERED, Notification.DEAD])
def test_nothing_is_delivered_that_is_not_pending(notification: Notification) -> None:
    world = World()
    notify(job(State.SUCCEEDED, webhook_url=HOOK, notification=notification), AT, world.ports)
    assert world.webhooks.delivered == []
