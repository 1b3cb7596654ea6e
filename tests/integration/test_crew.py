"""What goes the short way to a thread, what is mailed, and that Celery still shows both."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis

from support.servers import waited_for
from swapline_producer import ProducerSettings, SwapRequest
from swapline_producer.contract import State, Step, StepMessage
from swapline_producer.messaging.celery_message import encode_message
from swapline_simulator import sample_photographs
from swapline_workers.celery_app import build_app

if TYPE_CHECKING:
    from collections.abc import Generator

    from celery import Celery

    from support.installation import Installation, Receiver

PHOTOGRAPH = sample_photographs()[0]


def pushes(client: redis.Redis) -> int:
    stats: dict[str, Any] = client.info("commandstats")
    return int(stats.get("cmdstat_lpush", {}).get("calls", 0))


@contextmanager
def celery_of(installation: Installation) -> Generator[Celery]:
    app = build_app(ProducerSettings(redis_url=installation.valkey.url, key_prefix=installation.prefix))
    yield app
    app.close()


def test_a_job_alone_is_one_message(installation: Installation, receiver: Receiver) -> None:
    client = redis.Redis.from_url(installation.valkey.url)
    with installation.worker():
        installation.run(image=PHOTOGRAPH, gender=0, filter_id=12)  # the worker lives, as its clock has shown
        before = pushes(client)
        job = installation.run(image=PHOTOGRAPH, gender=1, filter_id=12, webhook_url=receiver.url)
        receiver.next()
    assert (job.state, pushes(client) - before) == (State.SUCCEEDED, 1)
    client.close()


def test_what_another_worker_reads_is_mailed_to_it(installation: Installation, receiver: Receiver) -> None:
    client = redis.Redis.from_url(installation.valkey.url)
    with installation.worker("-s", "submit", "-s", "poll"), installation.worker("-s", "finalize", "-s", "notify"):
        installation.run(image=PHOTOGRAPH, gender=0, filter_id=12)
        before = pushes(client)
        job = installation.run(image=PHOTOGRAPH, gender=1, filter_id=12, webhook_url=receiver.url)
        receiver.next()
    assert job.state is State.SUCCEEDED
    assert pushes(client) - before >= 2  # its submission, and its finalizing; its looks as the clocks happen to claim
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


def test_what_goes_the_short_way_is_shown_by_inspect(installation: Installation) -> None:
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


def test_what_somebody_has_revoked_is_left_to_celery_which_drops_it(installation: Installation) -> None:
    client = redis.Redis.from_url(installation.valkey.url)
    message = StepMessage(step=Step.POLL, job_id="0" * 32, version=3)
    queue = message.step.queue(installation.prefix)
    with installation.worker() as worker, celery_of(installation) as app:
        revoked = {"task_id": message.step.task_id(message.job_id)}
        assert app.control.broadcast("revoke", arguments=revoked, reply=True, limit=1, timeout=20)
        client.lpush(queue, encode_message(message, queue))
        waited_for(lambda: "Discarding revoked task" in worker.log())
    client.close()


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_every_step_is_heard_of_by_who_listens(installation: Installation, pool: str) -> None:
    installation.vendor.control.change(service_time="fixed:1")
    heard: list[tuple[str, str]] = []
    beats = threading.Event()
    with (
        installation.celery_worker("-P", pool),
        celery_of(installation) as app,
        app.connection_for_read() as connection,
    ):

        def hear(event: dict[str, Any]) -> None:
            if event["type"] == "worker-heartbeat":
                beats.set()  # and the worker knows that it was heard
            if event["type"].startswith("task-"):
                heard.append((event["uuid"], event["type"]))
                hears.should_stop = event["type"] == "task-succeeded" and event["uuid"].endswith("-finalize")

        hears = app.events.Receiver(connection, handlers={"*": hear})
        with ThreadPoolExecutor(1) as others:
            capturing = others.submit(hears.capture, limit=None, timeout=60, wakeup=False)
            assert beats.wait(30)
            job_id = installation.producer().enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id
            capturing.result(90)
    told = [kind for uuid, kind in heard if uuid == f"{job_id}-poll"]
    polls = told.count("task-retried")
    assert polls >= 1
    assert told == ["task-received", "task-started", "task-retried"] * polls + [
        "task-received",
        "task-started",
        "task-succeeded",
    ]
    assert [kind for uuid, kind in heard if uuid == f"{job_id}-finalize"][-1] == "task-succeeded"
