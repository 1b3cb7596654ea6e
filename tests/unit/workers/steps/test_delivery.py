"""What becomes of a delivery: its line in the log, its endpoint, the next attempt."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from support.jobs.fakes import AT, FakeEndpoints, FakeWebhooks, World, job
from swapline_producer.contract import Batch, BatchCounts, BatchEvent, Notification, State, SwapEvent
from swapline_producer.errors import StorageUnavailable
from swapline_producer.webhooks.endpoints import endpoint_of
from swapline_workers.core.bulkhead import DeliveryBulkhead
from swapline_workers.core.outcomes import STALE, Again, Retry, Stop
from swapline_workers.errors import WebhookFailed
from swapline_workers.steps.notify import notify, notify_batch

HOOK = "https://example.com/hook"
PENDING_JOB = job(State.SUCCEEDED, webhook_url=HOOK, notification=Notification.PENDING, finished_at=AT, sequence=2)
BATCH = Batch(
    batch="spring",
    tenant="acme",
    webhook_url=HOOK,
    nonce="0" * 20,
    round=1,
    version=3,
    finished_at=AT,
    counts=BatchCounts(jobs=3, credits=4, states={State.SUCCEEDED: 2, State.FAILED: 1}, failures={"LOST": 1}),
    notification=Notification.PENDING,
)


def failed(**facts: object) -> World:
    error = WebhookFailed("answered 500", status=500)
    error.seconds = 1.23456
    for name, value in facts.items():
        setattr(error, name, value)
    return World(webhooks=FakeWebhooks(error))


def test_each_attempt_leaves_its_line_in_the_log() -> None:
    world = failed(response_sha256="ab")
    notify(PENDING_JOB, AT, world.ports)
    assert (world.session.last.note, world.session.last.data) == (
        "webhook failed",
        {
            "attempt": 1,
            "status": 500,
            "seconds": 1.235,
            "response_sha256": "ab",
            "error": "answered 500",
            "next_in": 5.0,
        },
    )
    world = World()
    notify(PENDING_JOB.model_copy(update={"notify_attempts": 1}), AT, world.ports)
    assert (world.session.last.note, world.session.last.data) == (
        "webhook delivered",
        {"attempt": 2, "status": 204, "seconds": 0.25},
    )


def test_a_long_reason_is_cut() -> None:
    world = World(webhooks=FakeWebhooks(WebhookFailed("x" * 10_000)))
    notify(PENDING_JOB, AT, world.ports)
    assert len(str(world.session.last.data["error"])) == 500


def test_a_receivers_retry_after_is_honoured_and_clamped() -> None:
    assert notify(PENDING_JOB, AT, failed(retry_after=8.0).ports) == Retry(8.0 * 1.1, "answered 500")
    assert notify(PENDING_JOB, AT, failed(retry_after=9e9).ports) == Retry(10.0 * 1.1, "answered 500")


def test_a_failure_is_remembered_of_the_endpoint_and_a_success_forgets_it() -> None:
    world = failed()
    notify(PENDING_JOB, AT, world.ports)
    [failing] = world.endpoints.failing.values()
    assert (failing.tenant, failing.address, failing.error, failing.status) == ("default", HOOK, "answered 500", 500)
    world.webhooks.answer = 204
    notify(PENDING_JOB, AT, world.ports)
    assert world.endpoints.failing == {}


def test_gone_disables_the_endpoint_and_what_follows_is_given_up_without_a_call() -> None:
    world = failed(gone=True, status=410)
    assert notify(PENDING_JOB, AT, world.ports) == Stop("answered 500")
    assert world.session.last.fields["notification"] is Notification.DEAD
    assert len(world.webhooks.delivered) == 1
    notify(PENDING_JOB, AT, world.ports)
    assert world.session.last.fields == {"notification": Notification.DEAD, "notify_attempts": 0}
    assert "is disabled" in str(world.session.last.data["error"])
    assert len(world.webhooks.delivered) == 1


@pytest.mark.parametrize("world", [failed(ours=True), World()])
def test_what_is_our_own_fault_is_not_held_against_the_endpoint(world: World) -> None:
    if not isinstance(world.webhooks.answer, Exception):
        world.webhooks.answer = StorageUnavailable("away")
    assert isinstance(notify(PENDING_JOB, AT, world.ports), Retry)
    assert world.endpoints.failing == {}


def test_without_a_lane_it_is_asked_later_and_no_attempt_is_counted() -> None:
    world = World(bulkhead=DeliveryBulkhead(1, lambda: AT / 1000))
    with world.bulkhead.permit("example.com"):
        outcome = notify(PENDING_JOB, AT, world.ports)
    assert isinstance(outcome, Again)
    assert (world.session.last.to, world.session.last.fields, world.session.last.note) == (State.SUCCEEDED, {}, None)
    assert world.session.last.due_in == outcome.wait > 0
    assert world.webhooks.delivered == []


def test_a_held_job_without_a_lane_still_lets_its_slot_go_in_time() -> None:
    world = World(bulkhead=DeliveryBulkhead(1, lambda: AT / 1000))
    with world.bulkhead.permit("example.com"):
        notify(PENDING_JOB.model_copy(update={"state": State.HELD}), AT, world.ports)
    assert (world.session.last.to, world.session.last.due_by) == (State.HELD, "run_until")


def test_nothing_is_remembered_by_a_step_that_came_too_late() -> None:
    world = failed()
    world.session.stale_after = 0
    assert notify(PENDING_JOB, AT, world.ports) == STALE
    assert world.endpoints.failing == {}


def test_the_event_of_a_job_is_the_same_at_every_attempt_and_has_its_place_among_the_others() -> None:
    world = World()
    for at in (AT, AT + 60_000):
        notify(PENDING_JOB, at, world.ports)
    (_, first_id, first), (_, second_id, second) = world.webhooks.delivered
    assert (first_id, first) == (second_id, second)
    assert isinstance(first, SwapEvent)
    assert first.sequence == 2


def test_a_held_jobs_event_is_the_same_at_every_attempt() -> None:
    world = World()
    held = PENDING_JOB.model_copy(update={"state": State.HELD, "finished_at": None, "held_at": AT - 5})
    for at in (AT, AT + 60_000):
        notify(held, at, world.ports)
    assert world.webhooks.delivered[0] == world.webhooks.delivered[1]


def test_a_batch_is_delivered_with_its_counts_signed_for_its_tenant() -> None:
    world = World()
    assert notify_batch(BATCH, world.ports) == Stop("answered 204")
    [(url, webhook_id, event)] = world.webhooks.delivered
    assert (url, webhook_id, world.webhooks.tenants) == (HOOK, f"msg_batch_{'0' * 20}_1", ["acme"])
    assert isinstance(event, BatchEvent)
    assert asdict(event) == {
        "type": "batch.completed",
        "timestamp": "1970-01-01T00:16:40.000Z",
        "sequence": 1,
        "data": {
            "batch": "spring",
            "tenant": "acme",
            "jobs": 3,
            "states": {"SUCCEEDED": 2, "FAILED": 1},
            "failures": {"LOST": 1},
            "credits": 4,
        },
    }


def test_a_batch_is_tried_again_on_the_same_schedule_and_given_up_after_it() -> None:
    assert notify_batch(BATCH, failed().ports) == Retry(5.0, "answered 500")
    world = failed()
    notify_batch(BATCH.model_copy(update={"notify_attempts": 9}), world.ports)
    assert world.session.last.fields == {"notification": Notification.DEAD, "notify_attempts": 10}


def test_a_batch_without_a_webhook_is_not_delivered() -> None:
    world = World(endpoints=FakeEndpoints())
    notify_batch(BATCH.model_copy(update={"notification": Notification.DELIVERED}), world.ports)
    assert world.webhooks.delivered == []


def test_an_endpoint_is_a_tenants_url_without_its_query_and_shows_no_secret() -> None:
    one = endpoint_of("acme", "https://Example.com/hooks/T0K3Nabcdef/v2?key=hidden#x")
    assert one.address == "https://Example.com/hooks/…/v2"
    assert one.endpoint_id == endpoint_of("acme", "https://example.com/hooks/T0K3Nabcdef/v2?key=other").endpoint_id
    assert one.endpoint_id != endpoint_of("other", "https://example.com/hooks/T0K3Nabcdef/v2").endpoint_id
    assert one.endpoint_id != endpoint_of("acme", "https://example.com/hooks/T0K3Nabcdeg/v2").endpoint_id
