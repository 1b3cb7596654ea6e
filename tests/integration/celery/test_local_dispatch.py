"""Which steps run locally, which are published, and that Celery's monitors see both."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis

from support.celery.apps import celery_of
from support.jobs.factories import PHOTOGRAPH
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State

if TYPE_CHECKING:
    from support.programs.installation import Installation, Receiver


def pushes(client: redis.Redis) -> int:
    stats: dict[str, Any] = client.info("commandstats")
    return int(stats.get("cmdstat_lpush", {}).get("calls", 0))


def test_a_job_alone_is_one_message(installation: Installation, receiver: Receiver) -> None:
    client = redis.Redis.from_url(installation.valkey.url)
    with installation.worker():
        installation.run(image=PHOTOGRAPH, gender=0, filter_id=12)  # the worker lives, as its due dispatcher has shown
        before = pushes(client)
        job = installation.run(image=PHOTOGRAPH, gender=1, filter_id=12, webhook_url=receiver.url)
        receiver.next()
    assert (job.state, pushes(client) - before) == (State.SUCCEEDED, 1)
    client.close()


def test_a_step_of_another_worker_is_published(installation: Installation, receiver: Receiver) -> None:
    client = redis.Redis.from_url(installation.valkey.url)
    with installation.worker("-s", "submit", "-s", "poll"), installation.worker("-s", "finalize", "-s", "notify"):
        installation.run(image=PHOTOGRAPH, gender=0, filter_id=12)
        before = pushes(client)
        job = installation.run(image=PHOTOGRAPH, gender=1, filter_id=12, webhook_url=receiver.url)
        receiver.next()
    assert job.state is State.SUCCEEDED
    assert (
        pushes(client) - before >= 2
    )  # its submission, and its finalizing; its polls as the due dispatchers happen to claim
    client.close()


def test_a_worker_that_only_finalizes_asks_the_vendor_for_the_pictures(installation: Installation) -> None:
    producer = installation.producer()
    with installation.worker("-s", "submit", "-s", "poll", "-s", "notify"), installation.worker("-s", "finalize"):
        jobs = [producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id for _ in range(6)]
        ended = [producer.wait(job_id, timeout=60) for job_id in jobs]
    assert [job.state for job in ended] == [State.SUCCEEDED] * 6
    report, counts = installation.vendor.control.report(), producer.ledger.stats.snapshot().counts
    assert sum(job.polls for job in ended) == report.polls == counts["polls"] == counts["polls_begun"] >= 12
    assert (report.credits_spent, "rescues" in counts, "stale:message" in counts) == (12, False, False)


def test_more_work_than_threads_goes_through_the_broker_and_none_is_lost(installation: Installation) -> None:
    installation.vendor.control.change(service_time="fixed:0.1", cap=20)
    installation.more["SWAPLINE_MAX_IN_FLIGHT"] = "20"
    with installation.worker("-c", "1"):
        producer = installation.producer()
        jobs = [producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id for _ in range(20)]
        ended = [producer.wait(job_id, timeout=60) for job_id in jobs]
        assert "rescues" not in producer.ledger.stats.counters()
    assert {job.state for job in ended} == {State.SUCCEEDED}
    assert installation.vendor.control.report().credits_spent == 40


def test_a_local_step_is_shown_by_inspect(installation: Installation) -> None:
    installation.vendor.control.set_mode("submit_slow_accepted", amount=5)
    producer = installation.producer()
    with installation.worker(), celery_of(installation) as app:
        job_id = producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions == 1)
        asked = app.control.inspect(timeout=10, limit=1)
        [[active]] = (asked.active() or {}).values()
        [total] = [found["total"] for found in (asked.stats() or {}).values()]
        producer.wait(job_id, timeout=60)
    assert (active["id"], active["name"], active["args"][0]) == (f"{job_id}-submit", "swapline.submit", job_id)
    assert active["time_start"] > 1.6e9
    assert total == {"swapline.submit": 1}


@pytest.mark.usefixtures("every_way")
def test_a_subscriber_receives_the_events_of_every_step(installation: Installation) -> None:
    installation.vendor.control.change(service_time="fixed:1")
    received: list[tuple[str, str]] = []
    heartbeat = threading.Event()
    with (
        installation.worker(),
        celery_of(installation) as app,
        app.connection_for_read() as connection,
    ):

        def receive(event: dict[str, Any]) -> None:
            if event["type"] == "worker-heartbeat":
                heartbeat.set()  # and the worker knows its subscriber
            if event["type"].startswith("task-"):
                received.append((event["uuid"], event["type"]))
                events.should_stop = event["type"] == "task-succeeded" and event["uuid"].endswith("-finalize")

        events = app.events.Receiver(connection, handlers={"*": receive})
        with ThreadPoolExecutor(1) as others:
            capturing = others.submit(events.capture, limit=None, timeout=60, wakeup=False)
            assert heartbeat.wait(30)
            job_id = installation.producer().enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id
            capturing.result(90)
    kinds = [kind for uuid, kind in received if uuid == f"{job_id}-poll"]
    polls = kinds.count("task-retried")
    assert polls >= 1
    assert kinds[:2] == ["task-received", "task-started"]
    assert kinds[-1] == "task-succeeded"
    # The next poll may run before the thread of the last one has sent that it ended in a retry.
    assert Counter(kinds) == {
        "task-received": polls + 1,
        "task-started": polls + 1,
        "task-retried": polls,
        "task-succeeded": 1,
    }
    assert [kind for uuid, kind in received if uuid == f"{job_id}-finalize"][-1] == "task-succeeded"
