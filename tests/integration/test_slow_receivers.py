"""One slow or dead receiver delays no other, and no step of any job. What hangs here, hangs for ever."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from support.raw_server import Caller, RawServer, free_port
from support.servers import waited_for
from swapline_producer import Producer, SwapRequest
from swapline_producer.contract import Gender, Notification, State

if TYPE_CHECKING:
    from support.installation import Installation, Receiver


def hang(caller: Caller) -> None:
    caller.read_request()
    caller.hold(600)


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


def test_what_waited_for_a_receiver_that_hung_arrives_when_it_answers_again(installation: Installation) -> None:
    answers = threading.Event()

    def moody(caller: Caller) -> None:
        while caller.read_request():
            if not answers.is_set():
                caller.hold(600)
                return
            caller.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    installation.more |= {"SWAPLINE_WEBHOOK_TIMEOUT": "0.2", "SWAPLINE_WEBHOOK_SCHEDULE": "0,1,1,1,1,1,1,1,1,1"}
    producer = installation.producer()
    with installation.worker(), RawServer(moody) as slow:
        ids = [producer.enqueue(request).job_id for request in requests(10, slow.url)]
        producer.wait_many(ids, timeout=60)
        waited_for(lambda: slow.calls >= 3)
        answers.set()
        waited_for(lambda: notifications(producer, ids) == {Notification.DELIVERED})
    log = [event for job_id in ids for event in producer.events(job_id) if event.name.startswith("webhook")]
    assert all(event.data["attempt"] for event in log)


def notifications(producer: Producer, ids: list[str]) -> set[Notification]:
    return {job.notification for job in producer.ledger.get_many(ids)}


def attempts(producer: Producer, ids: list[str]) -> set[int]:
    return {job.notify_attempts for job in producer.ledger.get_many(ids)}
