"""One suite for the real Producer, over a real server, and for the fake one that users test with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from fakes import png
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.change import Change
from swapline_producer.contract import Canceling, FailureCode, Job, State, StoredPicture
from swapline_producer.errors import IdempotencyConflict, ImageError, JobNotFound, NotPossible, RequestError
from swapline_producer.testing import FakeProducer
from swapline_simulator import sample_photographs
from swapline_workers.adapters.desk import LedgerDesk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from swapline_producer.contract import Ticket
    from swapline_workers.local.valkey import EmbeddedValkey

URL = "https://pictures.example.com/me.jpg"


class House(Protocol):
    """A producer, and who moves its jobs on."""

    @property
    def producer(self) -> Producer: ...

    def start(self, job_id: str) -> Job: ...
    def succeed(self, job_id: str) -> Job: ...
    def fail(self, job_id: str) -> Job: ...


class Fake:
    def __init__(self) -> None:
        self.producer = FakeProducer()
        self.start = self.producer.start
        self.succeed = self.producer.succeed
        self.fail = self.producer.fail


class Post:
    def send(self, tickets: Sequence[Ticket]) -> bool:
        return tickets is not None


class Real:
    """The real producer; the moves of a worker, written as it writes them."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self._desk = LedgerDesk(producer.ledger, Post(), nudge=lambda _: None)

    def _moved(self, job_id: str, *changes: Change) -> Job:
        for change in changes:
            job = self.producer.get(job_id)
            if not job.state.finished:
                self._desk.advance(job, change)
        return self.producer.get(job_id)

    def start(self, job_id: str) -> Job:
        if self.producer.get(job_id).state is State.QUEUED:
            self.producer.ledger.line_up(self.producer.get(job_id))
        fields = {"vendor_job_id": f"v-{job_id}", "credits": 2, "attempts": 1}
        running = Change(
            to=State.RUNNING, fields=fields, stamps={"submitted_at": 0, "run_until": 50}, due_in=50, note="submitted"
        )
        return self._moved(job_id, running)

    def succeed(self, job_id: str) -> Job:
        if self.producer.get(job_id).state is State.QUEUED:
            self.start(job_id)
        key = f"results/{job_id}/0.png"
        self.producer._store().put(key, png(), "image/png")
        images = (StoredPicture(key=key, sha256="0" * 64, bytes=len(png()), width=1200, height=1800),)
        return self._moved(
            job_id, Change(to=State.STORING, due_in=9), Change(to=State.SUCCEEDED, fields={"images": images})
        )

    def fail(self, job_id: str) -> Job:
        if self.producer.get(job_id).state is State.QUEUED:
            self.start(job_id)
        return self._moved(job_id, Change(to=State.FAILED, fields={"failure_code": FailureCode.VENDOR_FAILED}))


@pytest.fixture(params=["real", "fake"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    if request.param == "fake":
        return Fake()
    valkey: EmbeddedValkey = request.getfixturevalue("valkey")
    prefix: str = request.getfixturevalue("prefix")
    settings = ProducerSettings(redis_url=valkey.url, key_prefix=prefix, storage_url=(tmp_path / "store").as_uri())
    return Real(Producer.connect(settings))


def wish(**values: Any) -> SwapRequest:
    return SwapRequest(**{"image": URL, "gender": 1, "filter_id": 12} | values)


def test_a_job_is_queued_as_it_was_asked_for(house: House) -> None:
    asked = wish(image=sample_photographs()[0], tenant="shop", metadata={"order": "7"}, batch="spring", queue_ttl=60)
    enqueued = house.producer.enqueue(asked)
    job = house.producer.get(enqueued.job_id)
    assert (enqueued.created, job.state, job.turn, job.tenant) == (True, State.QUEUED, 1, "shop")
    assert (job.spec.metadata, job.spec.image.kind, job.queue_until - job.created_at) == (
        {"order": "7"},
        "stored",
        60_000,
    )
    assert [event.name for event in house.producer.events(enqueued.job_id)] == ["queued"]
    assert house.producer.ledger.batch_ids("spring") == [enqueued.job_id]


def test_what_the_vendor_would_refuse_is_refused(house: House, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        house.producer.enqueue(wish(image=tmp_path / "nowhere.jpg"))
    with pytest.raises(RequestError, match="refused"):
        house.producer.enqueue(wish(image="http://127.0.0.1/me.jpg"))


def test_a_text_from_outside_cannot_name_a_file(house: House, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(sample_photographs()[0])
    for text in (str(secret), secret.as_uri(), f" {secret}", f"data:{secret}"):
        with pytest.raises(ImageError):
            house.producer.enqueue(wish(image=text))
        [result] = house.producer.enqueue_many([{"image": text, "gender": 1, "filter_id": 12}])
        assert isinstance(result.error, ImageError)
    assert list(house.producer.storage.list("inputs")) == []
    assert house.producer.enqueue(wish(image=secret)).created


def test_a_picture_that_is_cut_short_is_refused_before_anything_is_stored(house: House) -> None:
    photograph = sample_photographs()[0]
    halves = [photograph[: len(photograph) // 2], photograph[:-2], png()[:-1]]
    for half in halves:
        with pytest.raises(ImageError, match="cut short"):
            house.producer.enqueue(wish(image=half))
    assert list(house.producer.storage.list("inputs")) == []
    assert house.producer.enqueue(wish(image=photograph + bytes(512))).created


def test_the_largest_values_of_a_request_are_written_and_read_again(house: House) -> None:
    largest: dict[str, Any] = {
        "filter_id": 2**53 - 1,
        "queue_ttl": 315_360_000,
        "run_timeout": 315_360_000,
        "tenant": "t" * 64,
        "batch": "é" * 128,
        "idempotency_key": "😀" * 255,
        "metadata": {"é\n\0": "é" * 4000},
        "api_version": "v5",
        "extra": {"a": 2**64 - 1, "b": -(2**63), "c": 1.7976931348623157e308, "d": "x" * 60_000, "e": [[[[[1]]]]]},
        "webhook_url": "https://shop.example/" + "x" * 2000,
    }
    [result] = house.producer.enqueue_many([{"image": URL, "gender": 4} | largest])
    job = house.producer.get(str(result.job_id))
    assert job.queue_until - job.created_at == job.run_timeout_ms == 315_360_000_000
    assert {name: getattr(job.spec, name) for name in largest if name not in {"queue_ttl", "run_timeout"}} == {
        name: value for name, value in largest.items() if name not in {"queue_ttl", "run_timeout"}
    }


def test_a_key_gives_the_same_job_to_the_same_request_of_the_same_tenant(house: House) -> None:
    first, again = (house.producer.enqueue(wish(idempotency_key="k")) for _ in range(2))
    assert (again.job_id, again.created) == (first.job_id, False)
    with pytest.raises(IdempotencyConflict, match=first.job_id):
        house.producer.enqueue(wish(idempotency_key="k", filter_id=13))
    assert house.producer.enqueue(wish(idempotency_key="k", tenant="other")).created


def test_a_failed_job_keeps_its_key_unless_it_is_replaced(house: House) -> None:
    first = house.producer.enqueue(wish(idempotency_key="k"))
    assert house.producer.enqueue(wish(idempotency_key="k", replace_failed=True)).job_id == first.job_id
    house.fail(first.job_id)
    assert house.producer.enqueue(wish(idempotency_key="k")).job_id == first.job_id
    second = house.producer.enqueue(wish(idempotency_key="k", filter_id=13, replace_failed=True))
    assert second.created
    assert house.producer.events(second.job_id)[0].data == {"replaces": first.job_id}


def test_many_are_answered_in_order_item_by_item(house: House) -> None:
    items: list[Any] = [wish(), wish(image="nowhere.jpg"), {"image": URL, "gender": 9, "filter_id": 1}, wish()]
    results = list(house.producer.enqueue_many(items))
    assert [result.index for result in results] == [0, 1, 2, 3]
    assert [type(result.error).__name__ for result in results] == ["NoneType", "ImageError", "RequestError", "NoneType"]
    assert all(house.producer.get(str(results[n].job_id)).state is State.QUEUED for n in (0, 3))


def test_a_job_that_succeeds_has_its_pictures(house: House) -> None:
    job_id = house.producer.enqueue(wish()).job_id
    house.succeed(job_id)
    job = house.producer.wait(job_id, timeout=30)
    [image] = job.images
    assert (job.state, job.credits, image.width, image.height) == (State.SUCCEEDED, 2, 1200, 1800)
    picture = house.producer.picture(image)
    assert (len(picture), picture[:4]) == (image.bytes, b"\x89PNG")
    assert job.created_at <= (job.submitted_at or 0) <= (job.finished_at or 0)


def test_a_job_that_fails_has_a_code(house: House) -> None:
    job_id = house.producer.enqueue(wish()).job_id
    house.fail(job_id)
    job = house.producer.get(job_id)
    assert (job.state, job.failure_code, job.images) == (State.FAILED, FailureCode.VENDOR_FAILED, ())


def test_a_job_that_is_not_there_is_said(house: House) -> None:
    asked: list[Any] = [house.producer.get, house.producer.wait, house.producer.cancel]
    asked.append(lambda job_id: house.producer.wait_many([job_id]))
    for ask in asked:
        with pytest.raises(JobNotFound, match="no job 'nobody'"):
            ask("nobody")


def test_waiting_ends_when_the_job_does(house: House) -> None:
    job_id = house.producer.enqueue(wish()).job_id
    found: list[Job] = []
    waiter = threading.Thread(target=lambda: found.append(house.producer.wait(job_id, timeout=30)))
    waiter.start()
    house.succeed(job_id)
    waiter.join(30)
    assert [job.state for job in found] == [State.SUCCEEDED]


def test_waiting_for_many_gives_each_as_it_ends_and_all_in_order(house: House) -> None:
    a, b, c = (house.producer.enqueue(wish()).job_id for _ in range(3))
    house.fail(b)
    finishing = house.producer.as_completed([a, b, c], timeout=30)
    assert next(finishing).job_id == b
    house.succeed(c)
    assert next(finishing).job_id == c
    house.succeed(a)
    assert [job.job_id for job in finishing] == [a]
    assert [job.job_id for job in house.producer.wait_many([c, a, b])] == [c, a, b]


def test_time_that_is_over_is_said_and_stops_no_job(house: House) -> None:
    job_id = house.producer.enqueue(wish()).job_id
    with pytest.raises(TimeoutError, match="it goes on"):
        house.producer.wait(job_id, timeout=0.05)
    with pytest.raises(TimeoutError, match="they go on"):
        house.producer.wait_many([job_id], timeout=0.05)


def test_a_queued_job_is_canceled_at_once_and_not_charged(house: House) -> None:
    job_id = house.producer.enqueue(wish()).job_id
    for _ in range(2):
        told = house.producer.cancel(job_id)
        assert (told.done, told.charged, told.job.state) == (True, False, State.CANCELED)
    assert house.producer.get(job_id).failure_code is FailureCode.CANCELED


@pytest.mark.parametrize(("keep_result", "pictures"), [(False, 0), (True, 1)])
def test_a_job_at_the_vendor_ends_canceled_when_the_vendor_is_done(
    house: House, *, keep_result: bool, pictures: int
) -> None:
    job_id = house.producer.enqueue(wish()).job_id
    house.start(job_id)
    told = house.producer.cancel(job_id, keep_result=keep_result)
    assert (told.done, told.charged, told.job.state) == (False, True, State.RUNNING)
    assert house.producer.get(job_id).canceling is (Canceling.KEEP if keep_result else Canceling.DROP)
    house.succeed(job_id)
    job = house.producer.wait(job_id, timeout=30)
    assert (job.state, job.failure_code, len(job.images)) == (State.CANCELED, FailureCode.CANCELED, pictures)


def test_a_job_that_has_ended_cannot_be_canceled(house: House) -> None:
    job_id = house.producer.enqueue(wish()).job_id
    house.succeed(job_id)
    with pytest.raises(NotPossible, match="it is SUCCEEDED"):
        house.producer.cancel(job_id)


def test_the_fake_can_let_every_job_succeed_at_once() -> None:
    producer = FakeProducer(at_once=True)
    one = producer.enqueue(wish(ratio="square"))
    [many] = producer.enqueue_many([wish()])
    done = producer.wait_many([one.job_id, str(many.job_id)], timeout=1)
    assert [(job.state, job.images[0].width) for job in done] == [(State.SUCCEEDED, 1280), (State.SUCCEEDED, 1200)]


def test_the_fake_says_what_a_test_did_wrong() -> None:
    producer = FakeProducer()
    job_id = producer.enqueue(wish()).job_id
    producer.succeed(job_id)
    with pytest.raises(ValueError, match="is SUCCEEDED, not RUNNING"):
        producer.fail(job_id)
    with pytest.raises(ValueError, match="is SUCCEEDED, not QUEUED"):
        producer.start(job_id)
