"""One job, end to end: real Valkey, a real worker process, real HTTP, a real folder."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import redis
import requests
from celery import Celery
from standardwebhooks import Webhook

from support.jobs.factories import PHOTOGRAPH
from support.programs.installation import SECRET, Installation, Receiver, Worker
from support.redis.fixtures import waited_for
from swapline_producer import ProducerSettings, SwapRequest
from swapline_producer.contract import EventType, FailureCode, Gender, Notification, Ratio, State, Step
from swapline_workers.dispatch.broker import broker_settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_simulator import Simulator

FILTER = UUID("6f0c1b1e-8f1e-4c3e-9f5e-0123456789ab")


@pytest.fixture
def worker(installation: Installation, every_way: tuple[str, str]) -> Generator[Worker]:
    installation.more["SWAPLINE_INPUT_SHOWN"] = "3600"  # the tests read it when its job has ended
    with installation.worker() as running:
        assert running.way == every_way
        yield running


def what_the_vendor_sent(installation: Installation, vendor_job_id: str, version: str = "v6") -> bytes:
    reply = requests.post(
        f"{installation.vendor.url}/{version}/status/{vendor_job_id}",
        headers={installation.vendor.config.key_header: installation.vendor.config.key},
        timeout=30,
    )
    return base64.b64decode(reply.json()["output"]["images"][0])


@pytest.mark.usefixtures("worker")
def test_a_photograph_becomes_a_stored_picture_and_a_verified_webhook(
    installation: Installation,
    receiver: Receiver,
) -> None:
    job = installation.run(
        image=PHOTOGRAPH,
        gender=Gender.FEMALE,
        filter_id=12,
        webhook_url=receiver.url,
        metadata={"order": "7"},
    )
    assert (job.state, job.credits, job.attempts, job.spec.image.kind) == (State.SUCCEEDED, 2, 1, "stored")
    [image] = job.images
    assert (image.width, image.height) == (1200, 1800)
    picture = installation.stored(image.key)
    assert picture == what_the_vendor_sent(installation, job.vendor_job_id or "")
    assert (image.sha256, image.bytes) == (hashlib.sha256(picture).hexdigest(), len(picture))
    receipt = json.loads(installation.stored(image.key.replace("0.png", "receipt.json")))
    assert (receipt["job_id"], receipt["images"][0]["sha256"]) == (job.job_id, image.sha256)
    assert installation.stored(f"inputs/{hashlib.sha256(PHOTOGRAPH).hexdigest()}") == PHOTOGRAPH
    assert len(list(installation.store.glob("results/**/*.*"))) == 2  # written once, in place
    assert [event.name for event in installation.producer().events(job.job_id)].count("completed") == 1

    webhook_id, event = receiver.next()
    assert (event.type, event.data.job_id, event.data.metadata) == (EventType.SUCCEEDED, job.job_id, {"order": "7"})
    assert event.data.images[0].sha256 == image.sha256
    [(body, headers)] = receiver.raw
    assert Webhook(SECRET).verify(body, headers)["type"] == "swap.succeeded"
    assert headers["webhook-id"] == webhook_id


@pytest.mark.usefixtures("worker")
def test_everything_on_the_vendors_page_works(installation: Installation) -> None:
    requests_made: list[dict[str, Any]] = [
        *({"gender": gender, "filter_id": 12} for gender in Gender),
        *({"gender": 0, "filter_id": 12, "ratio": ratio, "api_version": "v5"} for ratio in Ratio),
        {"gender": 1, "filter_id": FILTER, "ratio": "square"},
        {"gender": 1, "filter_id": 12, "quality_mode": "v6"},
        {"gender": 1, "filter_id": 12, "api_version": "v5", "extra": {"seed": 7}},
    ]
    installation.vendor.control.change(service_time="fixed:1")  # long enough for three to meet there
    producer = installation.producer()
    enqueued = [producer.enqueue(SwapRequest(image=PHOTOGRAPH, **values)) for values in requests_made]
    ended = [producer.wait(one.job_id, timeout=60) for one in enqueued]
    assert [job.state for job in ended] == [State.SUCCEEDED] * len(requests_made)
    sizes = [(job.images[0].width, job.images[0].height) for job in ended]
    assert sizes == [job.spec.expected_size for job in ended]
    for job in ended:
        version = job.spec.api_version
        assert installation.stored(job.images[0].key) == what_the_vendor_sent(
            installation,
            job.vendor_job_id or "",
            version,
        )
    report = installation.vendor.control.report()
    assert (report.credits_spent, len(report.jobs)) == (2 * len(requests_made), len(requests_made))
    assert (report.max_in_flight, report.over_cap) == (3, 0)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"filter_id": 250, "gender": 4}, FailureCode.FILTER_BLOCKED),
        ({"filter_id": 4_000}, FailureCode.FILTER_NOT_FOUND),
        ({"filter_id": UUID(int=1)}, FailureCode.WORKFLOW_FETCH_FAILED),
    ],
)
def test_what_the_vendor_refuses_fails_under_its_code_uncharged(
    installation: Installation,
    receiver: Receiver,
    values: dict[str, Any],
    code: FailureCode,
) -> None:
    job = installation.run(**{"image": PHOTOGRAPH, "gender": 0, "webhook_url": receiver.url} | values)
    assert (job.state, job.failure_code, job.credits, job.attempts) == (State.FAILED, code, 0, 1)
    assert installation.vendor.control.report().credits_spent == 0
    _, event = receiver.next()
    assert (event.type, event.data.failure_code) == (EventType.FAILED, code)


@contextmanager
def watched(url: str, prefix: str) -> Generator[list[list[str]]]:
    """Every command that the server is given about this installation, in full, until the block ends."""
    client = redis.Redis.from_url(url, decode_responses=True)
    commands: list[list[str]] = []
    done = f"{prefix}-that-is-all"
    # redis-py's monitor() carries no types
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def listen() -> None:
            for seen in monitor.listen():
                if done in seen["command"]:
                    return
                commands.append([seen["command"]])

        listener = threading.Thread(target=listen)
        listener.start()
        yield commands
        redis.Redis.from_url(url).echo(done)
        listener.join(30)
    client.close()


def test_messages_carry_a_job_id_and_a_version_and_never_a_time(installation: Installation, receiver: Receiver) -> None:
    installation.vendor.control.change(service_time="fixed:0.6")
    # With this pool every step is published.
    with installation.celery_worker("-P", "solo"), watched(installation.valkey.url, installation.prefix) as commands:
        job = installation.run(
            image=PHOTOGRAPH,
            gender=0,
            filter_id=12,
            webhook_url=receiver.url,
            metadata={"canary": "sing-canary-sing"},
        )
        receiver.next()
    queues = [step.queue(installation.prefix) for step in Step]
    pushed = [text for [text] in commands if text.startswith(("LPUSH", "RPUSH")) and text.split(" ")[1] in queues]
    messages = [json.loads(text.split(" ", 2)[2].replace('\\"', '"').replace("\\\\", "\\")) for text in pushed]
    polls = [message for message in messages if message["headers"]["task"] == Step.POLL.task]
    assert len(polls) >= 3
    assert [message["headers"]["retries"] for message in polls] == list(range(len(polls)))
    assert {message["headers"]["id"] for message in polls} == {f"{job.job_id}-poll"}
    for message in messages:
        assert message["headers"]["eta"] is None
        assert message["headers"]["expires"] is None
        args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
        assert (args[0], type(args[1]), len(args), kwargs) == (job.job_id, int, 2, {})
    assert "sing-canary-sing" not in "".join(pushed)
    assert max(len(text) for [text] in commands) < 64_000


def test_a_poll_that_repeats_ends_in_celerys_retry_state(installation: Installation) -> None:
    installation.more["SWAPLINE_LOG_LEVEL"] = "DEBUG"  # Celery's own line of it
    installation.vendor.control.change(service_time="fixed:0.5")
    with installation.celery_worker("-P", "solo") as worker:
        job = installation.run(image=PHOTOGRAPH, gender=0, filter_id=12)
    assert re.search(rf"swapline\.poll\[{job.job_id}-poll\] retry: in [\d.]+ s: the vendor says IN_", worker.log())
    assert "Traceback" not in worker.log()
    assert "Connection to broker lost" not in worker.log()


@pytest.mark.usefixtures("both_ways")
def test_a_subscriber_receives_every_poll_that_repeats(installation: Installation) -> None:
    installation.vendor.control.change(service_time="fixed:3")  # a new subscriber is known within a quarter of a second
    settings = ProducerSettings(redis_url=installation.valkey.url, key_prefix=installation.prefix)
    app = Celery("subscriber", set_as_current=False)
    app.conf.update(broker_settings(settings))
    received: queue.Queue[dict[str, Any]] = queue.Queue()
    with installation.worker(), app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"task-retried": received.put})
        capturing = threading.Thread(target=receiver.capture, kwargs={"limit": None, "timeout": None, "wakeup": False})
        capturing.start()
        job = installation.run(image=PHOTOGRAPH, gender=0, filter_id=12)
        event = received.get(timeout=60)
        receiver.should_stop = True
        capturing.join(30)
    assert (event["uuid"], "the vendor says IN_" in event["traceback"]) == (f"{job.job_id}-poll", True)


@pytest.mark.usefixtures("both_ways")
def test_every_key_in_redis_carries_the_prefix(installation: Installation) -> None:
    client = redis.Redis.from_url(installation.valkey.url, decode_responses=True)
    before = set(client.scan_iter(count=1000))
    with installation.worker():
        installation.run(image=PHOTOGRAPH, gender=0, filter_id=12)
        here = set(client.scan_iter(count=1000)) - before
    assert {key for key in here if not key.startswith(installation.prefix)} == set()
    client.close()


@pytest.mark.usefixtures("every_way")
def test_a_killed_workers_job_goes_on_and_is_paid_once(installation: Installation, vendor: Simulator) -> None:
    installation.more["SWAPLINE_RESCUE_AFTER"] = "1"
    vendor.control.change(service_time="fixed:2")
    producer = installation.producer()
    with installation.worker() as first:
        enqueued = [producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)) for _ in range(5)]
        waited_for(lambda: producer.ledger.stats.counters().get("submitted", 0) == 3)
        first.kill()
    with installation.worker():
        ended = [producer.wait(one.job_id, timeout=90) for one in enqueued]
    assert [job.state for job in ended] == [State.SUCCEEDED] * 5
    assert vendor.control.report().credits_spent == 10


@pytest.mark.usefixtures("both_ways")
def test_a_failing_receiver_gets_it_again_under_the_same_id(installation: Installation, receiver: Receiver) -> None:
    receiver.answers = [500]
    with installation.worker():
        job = installation.run(image=PHOTOGRAPH, gender=0, filter_id=12, webhook_url=receiver.url)
        ids = [receiver.next()[0], receiver.next()[0]]
    assert ids[0] == ids[1]
    job = installation.producer().get(job.job_id)
    assert (job.notification, job.notify_attempts) == (Notification.DELIVERED, 2)


def test_a_worker_names_all_settings_that_are_missing_and_does_not_start(installation: Installation) -> None:
    missing = {"SWAPLINE_API_KEY": "", "SWAPLINE_API_BASE_URL": "", "SWAPLINE_STORAGE_URL": ""}
    refused = installation.cli("worker", **missing)
    assert refused.returncode != 0
    assert [name for name in missing if f"{name} is missing" in refused.stderr] == list(missing)
    assert "Traceback" not in refused.stderr + refused.stdout
