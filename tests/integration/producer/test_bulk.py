"""Many jobs at a time, over a real server and a folder of pictures."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import new_job
from swapline_producer import Producer, ProducerSettings, Result, SwapRequest
from swapline_producer.client.batches.bulk import CHUNK
from swapline_producer.contract import FailureCode, State, Step, StepMessage
from swapline_producer.contract.answers import Accepted
from swapline_producer.errors import IdempotencyConflict, ImageError, LedgerUnavailable, RequestError, SwaplineError
from swapline_producer.ledger import Ledger, connect
from swapline_producer.storage import open_storage
from swapline_simulator import sample_photographs
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.redis.fixtures import Time


@pytest.fixture
def local_first() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def producer(ledger: Ledger, local_first: RecordingPublisher, tmp_path: Path) -> Producer:
    storage = open_storage((tmp_path / "store").as_uri())
    return Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, local_first, storage)


def ids(answers: list[Accepted | SwaplineError]) -> list[tuple[str, bool]]:
    return [one[:2] for one in answers if isinstance(one, Accepted)]


def link(number: int = 0, **values: Any) -> SwapRequest:
    return SwapRequest(**{"image": f"https://pictures.example.com/{number}.jpg", "gender": 0, "filter_id": 12} | values)


def test_every_item_becomes_a_job_and_results_come_in_the_order_of_the_items(producer: Producer) -> None:
    number = CHUNK * 2 + 7
    results = list(producer.enqueue_many(link(n, metadata={"n": str(n)}) for n in range(number)))
    assert [result.index for result in results] == list(range(number))
    jobs = producer.ledger.jobs.get_many([result.job_id or "" for result in results])
    assert [job.spec.metadata["n"] for job in jobs] == [str(n) for n in range(number)]
    assert producer.ledger.stats.census()[State.QUEUED] == number


def test_the_jobs_stand_in_line_at_once_and_one_message_a_chunk_wakes_a_worker(
    producer: Producer, local_first: RecordingPublisher, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "swapline_producer.client.batches.bulk.OLDEST", 3600
    )  # a chunk ends by its size, however slow we are
    results = list(producer.enqueue_many(link(n) for n in range(CHUNK + 1)))
    woken = [results[0].job_id, results[CHUNK].job_id]
    assert local_first.messages == [StepMessage(step=Step.SUBMIT, job_id=str(job_id), version=1) for job_id in woken]
    assert producer.ledger.limits.slots().in_flight == ()
    granted = producer.ledger.transitions.claim(
        ROUTES
    ).messages  # and without the message the next sweep of any clock does it
    assert len(granted) == 2
    assert producer.ledger.jobs.get(str(results[-1].job_id)).queue_until == time.at + 86_400_000


def test_a_bad_item_is_reported_and_stops_no_other(producer: Producer, tmp_path: Path) -> None:
    photograph = tmp_path / "me.jpg"
    photograph.write_bytes(sample_photographs()[0])
    items: list[Any] = [
        link(1),
        {"image": photograph, "gender": 1, "filter_id": 12},
        {"image": tmp_path / "nowhere.jpg", "gender": 1, "filter_id": 12},
        {"image": "https://pictures.example.com/4.jpg", "gender": 9, "filter_id": 12},
        link(5, image="http://127.0.0.1/private.jpg"),
        "not a request",
        link(7),
    ]
    results = list(producer.enqueue_many(items))
    assert [result.job_id is not None for result in results] == [True, True, False, False, False, False, True]
    errors = [result.error for result in results if result.error is not None]
    assert [type(error) for error in errors] == [ImageError, RequestError, ImageError, RequestError]
    assert isinstance(errors[0], ImageError)
    assert errors[0].code is FailureCode.INVALID_IMAGE
    assert producer.ledger.stats.counters() == {"accepted": 3}


def test_keys_are_minded_within_a_call_and_across_calls(producer: Producer) -> None:
    items = [link(1, idempotency_key="a"), link(1, idempotency_key="a"), link(2, idempotency_key="a")]
    first, again, other = producer.enqueue_many(items)
    assert (first.created, again.created, first.job_id) == (True, False, again.job_id)
    assert isinstance(other.error, IdempotencyConflict)
    assert next(producer.enqueue_many(items)) == Result(0, first.job_id, created=False)


def test_memory_stays_flat_for_any_iterable(producer: Producer) -> None:
    """A hundred pictures of a megabyte each, and jobs without end."""
    picture = sample_photographs()[0]
    padding = b"\0" * 1_000_000
    endless = (
        link(n, image=picture + n.to_bytes(4, "big") + padding) if n < 100 else link(n) for n in itertools.count()
    )
    tracemalloc.start()
    try:
        for result in producer.enqueue_many(endless):
            assert result.error is None
            if result.index == 3 * CHUNK:
                break
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


def test_nothing_is_drawn_before_it_is_asked_for(producer: Producer) -> None:
    drawn = []

    def items() -> Iterator[SwapRequest]:
        for number in itertools.count():
            drawn.append(number)
            yield link(number)

    results = producer.enqueue_many(items())
    assert drawn == []
    next(results)
    assert len(drawn) <= CHUNK + 10


def test_what_the_iterable_raises_comes_after_the_jobs_it_had_given(producer: Producer) -> None:
    def items() -> Iterator[SwapRequest]:
        yield link(1)
        raise ZeroDivisionError

    results = producer.enqueue_many(items())
    assert next(results).created
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert producer.ledger.stats.counters() == {"accepted": 1}


def test_a_server_that_is_away_is_reported_item_by_item(tmp_path: Path) -> None:
    away = Ledger(connect("redis://127.0.0.1:1/0", timeout=0.5))
    producer = Producer(ProducerSettings(), away, RecordingPublisher(), open_storage(tmp_path.as_uri()))
    results = list(producer.enqueue_many([link(1), link(2)]))
    assert [type(result.error) for result in results] == [LedgerUnavailable, LedgerUnavailable]


def test_a_server_that_forgot_its_scripts_is_sent_them_again(ledger: Ledger) -> None:
    ledger.intake.accept_many([new_job("a")])
    ledger.client.script_flush()
    assert ids(ledger.intake.accept_many([new_job("b"), new_job("c")])) == [
        ("b", True),
        ("c", True),
    ]


def test_a_server_that_refuses_one_write_refuses_no_other(ledger: Ledger) -> None:
    ledger.client.set(f"{ledger.prefix}:job:b", "not a job")
    ledger.client.set(f"{ledger.prefix}:batch:default:broken", "not a batch")
    good, bad = ledger.intake.accept_many([new_job("a"), new_job("c", batch="broken")])
    assert ids([good]) == [("a", True)]
    assert isinstance(bad, LedgerUnavailable)


def test_accepting_many_twice_is_accepting_them_once(ledger: Ledger) -> None:
    requests = [new_job("a"), new_job("b", idempotency_key="k")]
    first, again = ledger.intake.accept_many(requests), ledger.intake.accept_many(requests)
    assert first == again
    assert ids(first) == [("a", True), ("b", True)]
    assert ledger.stats.counters() == {"accepted": 2, "repeated": 2}


def test_a_batch_knows_its_jobs_in_the_order_they_came(ledger: Ledger, time: Time) -> None:
    for name in "cab":
        time.pass_(1)
        ledger.intake.accept(new_job(name, batch="spring"))
    ledger.intake.accept(new_job("d"))
    assert ledger.batches.job_ids("spring") == ["c", "a", "b"]
    assert ledger.jobs.get("c").spec.batch == "spring"
