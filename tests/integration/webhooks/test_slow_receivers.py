"""One slow or dead receiver delays no other, and no step of any job. What hangs here, hangs for ever."""

from __future__ import annotations

import subprocess
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.http.raw_server import Caller, RawServer, free_port
from support.redis.fixtures import waited_for
from swapline_producer import Producer, SwapRequest
from swapline_producer.contract import Gender, Notification, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.programs.installation import Installation, Receiver


def hang(caller: Caller) -> None:
    caller.read_request()
    caller.hold(600)


def answers_when(answers: threading.Event) -> Callable[[Caller], None]:
    """Return a script that hangs until the event is set, and accepts from then on."""

    def script(caller: Caller) -> None:
        while caller.read_request():
            if not answers.is_set():
                caller.hold(600)
                return
            caller.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    return script


def requests(number: int, url: str) -> list[SwapRequest]:
    some: dict[str, Any] = {"image": "https://a.example/a.jpg", "gender": Gender.MALE, "filter_id": 1}
    return [SwapRequest(**some, webhook_url=url, metadata={"n": str(n)}) for n in range(number)]


def test_a_receiver_that_hangs_and_one_that_is_dead_delay_neither_a_good_one_nor_any_step(
    installation: Installation, receiver: Receiver
) -> None:
    installation.more |= {"SWAPLINE_WEBHOOK_TIMEOUT": "600", "SWAPLINE_MAX_IN_FLIGHT": "20"}
    installation.more |= {"SWAPLINE_WEBHOOK_SCHEDULE": "0,0.5,0.5,0.5,0.5,600"}
    producer = installation.producer()
    with installation.worker(), ExitStack() as hanging:
        slow = hanging.enter_context(RawServer(hang))
        bad = [*requests(40, slow.url), *requests(40, f"http://127.0.0.1:{free_port()}/")]
        ids = [result.job_id or "" for result in producer.enqueue_many(bad)]
        assert {job.state for job in producer.wait_many(ids, timeout=120)} == {State.SUCCEEDED}
        waited_for(lambda: slow.calls > 0)
        for request in requests(10, receiver.url):  # polled, finished and told while forty deliveries hang or wait
            job = producer.wait(producer.enqueue(request).job_id, timeout=60)
            _, event = receiver.next()
            assert (job.state, event.data.metadata) == (State.SUCCEEDED, request.metadata)
        assert notifications(producer, ids[:40]) == {Notification.PENDING}
        assert 0 < slow.calls <= 2
        waited_for(lambda: attempts(producer, ids[40:]) == {5})  # the dead one's have kept their own schedule


def test_150_receivers_that_hang_delay_the_first_webhook_of_a_new_one_by_at_most_five_seconds(
    installation: Installation, receiver: Receiver
) -> None:
    installation.more["SWAPLINE_MAX_IN_FLIGHT"] = "40"
    installation.vendor.control.change(cap=40)
    producer = installation.producer()
    answers = threading.Event()
    with installation.worker("-c", "16"), ExitStack() as hanging:
        slow = [hanging.enter_context(RawServer(answers_when(answers))) for _ in range(150)]
        bad = [request for server in slow for request in requests(2, server.url)]
        ids = [result.job_id or "" for result in producer.enqueue_many(bad)]
        waited_for(lambda: all(server.calls for server in slow))
        [new] = requests(1, receiver.url)
        job = producer.wait(producer.enqueue(new).job_id, timeout=60)
        receiver.next()
        waited_for(partial(is_delivered, producer, job.job_id))
        assert notifications(producer, ids) == {Notification.PENDING}
        answers.set()
        for job_id in ids:
            waited_for(partial(is_delivered, producer, job_id), seconds=120)
        assert max(attempts(producer, ids)) > 1  # those that hung were failures, and were repeated on schedule
    [delivered] = [event for event in producer.events(job.job_id) if event.name == "webhook delivered"]
    assert job.finished_at is not None
    assert delivered.at - job.finished_at <= 5_000


def test_what_waited_for_a_receiver_that_hung_arrives_when_it_answers_again(installation: Installation) -> None:
    answers = threading.Event()
    installation.more |= {"SWAPLINE_WEBHOOK_TIMEOUT": "0.2", "SWAPLINE_WEBHOOK_SCHEDULE": "0,1,1,1,1,1,1,1,1,1"}
    producer = installation.producer()
    with installation.worker(), RawServer(answers_when(answers)) as slow:
        ids = [producer.enqueue(request).job_id for request in requests(10, slow.url)]
        producer.wait_many(ids, timeout=60)
        waited_for(lambda: slow.calls >= 3)
        answers.set()
        waited_for(lambda: notifications(producer, ids) == {Notification.DELIVERED})
    log = [event for job_id in ids for event in producer.events(job_id) if event.name.startswith("webhook")]
    assert all(event.data["attempt"] for event in log)


def test_a_delivery_under_way_is_not_repeated_while_its_worker_stops(installation: Installation) -> None:
    installation.more["SWAPLINE_RESCUE_AFTER"] = "1"
    producer, answer = installation.producer(), threading.Event()

    def late(caller: Caller) -> None:
        caller.read_request()
        answer.wait(60)
        caller.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    with RawServer(late) as server, installation.worker() as stopping, ExitStack() as later:
        job_id = producer.enqueue(requests(1, server.url)[0]).job_id
        waited_for(lambda: server.calls == 1)
        later.enter_context(installation.worker())
        stopping.child.terminate()
        waited_for(lambda: "Warm shutdown" in stopping.log())
        with pytest.raises(subprocess.TimeoutExpired):
            stopping.child.wait(4)  # four times as long as a lease that is not renewed
        answer.set()
        waited_for(lambda: notifications(producer, [job_id]) == {Notification.DELIVERED})
        assert stopping.child.wait(60) == 0
    assert server.calls == 1


def is_delivered(producer: Producer, job_id: str) -> bool:
    return producer.get(job_id).notification is Notification.DELIVERED


def notifications(producer: Producer, ids: list[str]) -> set[Notification]:
    return {job.notification for job in producer.ledger.jobs.get_many(ids)}


def attempts(producer: Producer, ids: list[str]) -> set[int]:
    return {job.notify_attempts for job in producer.ledger.jobs.get_many(ids)}
