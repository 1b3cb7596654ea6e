"""One suite for the real Producer, over a real server, and for the fake one that users test with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from support.jobs.publishers import NullPublisher
from support.pictures.pngs import grey_png
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import Canceling, FailureCode, Job, State, StoredPicture
from swapline_producer.contract.changes import Change
from swapline_producer.errors import IdempotencyConflict, ImageError, JobNotFound, NotPossible, RequestError
from swapline_producer.testing import FakeProducer
from swapline_simulator import sample_photographs
from swapline_workers.runtime.session.job_session import JobSession

if TYPE_CHECKING:
    from pathlib import Path

    from swapline_workers.local.valkey.server import EmbeddedValkey

URL = "https://pictures.example.com/me.jpg"


class WorkerServices(Protocol):
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


class Real:
    """The real producer; the moves of a worker, written as it writes them."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self._session = JobSession(producer.ledger, NullPublisher(), schedule_wakeup=lambda _: None)

    def _moved(self, job_id: str, *changes: Change) -> Job:
        for change in changes:
            job = self.producer.get(job_id)
            if not job.state.finished:
                self._session.writes.advance(job, change)
        return self.producer.get(job_id)

    def start(self, job_id: str) -> Job:
        if self.producer.get(job_id).state is State.QUEUED:
            self.producer.ledger.transitions.line_up(self.producer.get(job_id))
        fields = {"vendor_job_id": f"v-{job_id}", "credits": 2, "attempts": 1}
        running = Change(
            to=State.RUNNING, fields=fields, stamps={"submitted_at": 0, "run_until": 50}, due_in=50, note="submitted"
        )
        return self._moved(job_id, running)

    def succeed(self, job_id: str) -> Job:
        if self.producer.get(job_id).state is State.QUEUED:
            self.start(job_id)
        key = f"results/{job_id}/0.png"
        self.producer._store().put(key, grey_png(), "image/png")
        images = (StoredPicture(key=key, sha256="0" * 64, bytes=len(grey_png()), width=1200, height=1800),)
        return self._moved(
            job_id, Change(to=State.STORING, due_in=9), Change(to=State.SUCCEEDED, fields={"images": images})
        )

    def fail(self, job_id: str) -> Job:
        if self.producer.get(job_id).state is State.QUEUED:
            self.start(job_id)
        return self._moved(job_id, Change(to=State.FAILED, fields={"failure_code": FailureCode.VENDOR_FAILED}))


@pytest.fixture(params=["real", "fake"])
def services(request: pytest.FixtureRequest, tmp_path: Path) -> WorkerServices:
    if request.param == "fake":
        return Fake()
    valkey: EmbeddedValkey = request.getfixturevalue("valkey")
    prefix: str = request.getfixturevalue("prefix")
    settings = ProducerSettings(redis_url=valkey.url, key_prefix=prefix, storage_url=(tmp_path / "store").as_uri())
    return Real(Producer.connect(settings))


def swap(**values: Any) -> SwapRequest:
    return SwapRequest(**{"image": URL, "gender": 1, "filter_id": 12} | values)


def test_a_job_is_queued_as_it_was_asked_for(services: WorkerServices) -> None:
    asked = swap(image=sample_photographs()[0], tenant="shop", metadata={"order": "7"}, batch="spring", queue_ttl=60)
    enqueued = services.producer.enqueue(asked)
    job = services.producer.get(enqueued.job_id)
    assert (enqueued.created, job.state, job.version, job.tenant) == (True, State.QUEUED, 1, "shop")
    assert (job.spec.metadata, job.spec.image.kind, job.queue_until - job.created_at) == (
        {"order": "7"},
        "stored",
        60_000,
    )
    assert [event.name for event in services.producer.events(enqueued.job_id)] == ["queued"]
    assert services.producer.ledger.batches.job_ids("spring", "shop") == [enqueued.job_id]


def test_what_the_vendor_would_refuse_is_refused(services: WorkerServices, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        services.producer.enqueue(swap(image=tmp_path / "nowhere.jpg"))
    with pytest.raises(RequestError, match="refused"):
        services.producer.enqueue(swap(image="http://127.0.0.1/me.jpg"))


def test_a_text_from_outside_cannot_name_a_file(services: WorkerServices, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(sample_photographs()[0])
    for text in (str(secret), secret.as_uri(), f" {secret}", f"data:{secret}"):
        with pytest.raises(ImageError):
            services.producer.enqueue(swap(image=text))
        [result] = services.producer.enqueue_many([{"image": text, "gender": 1, "filter_id": 12}])
        assert isinstance(result.error, ImageError)
    assert list(services.producer.storage.list("inputs")) == []
    assert services.producer.enqueue(swap(image=secret)).created


def test_a_picture_that_is_cut_short_is_refused_before_anything_is_stored(services: WorkerServices) -> None:
    photograph = sample_photographs()[0]
    halves = [photograph[: len(photograph) // 2], photograph[:-2], grey_png()[:-1]]
    for half in halves:
        with pytest.raises(ImageError, match="cut short"):
            services.producer.enqueue(swap(image=half))
    assert list(services.producer.storage.list("inputs")) == []
    assert services.producer.enqueue(swap(image=photograph + bytes(512))).created


@pytest.mark.parametrize(
    "wrong",
    [
        {"gender": None},
        {"filter_id": -1},
        {"filter_id": 1.5},
        {"filter_id": 2**64},
        {"tenant": "a" * 65},
        {"queue_ttl": float("inf")},
        {"queue_ttl": 1e300},
        {"run_timeout": 0},
        {"metadata": {"order": "\ud800"}},
        {"extra": {"strength": 1}},
        {"no_such_field": 1},
    ],
    ids=str,
)
def test_a_copy_with_a_wrong_value_is_refused_and_stops_no_other(
    services: WorkerServices, wrong: dict[str, Any]
) -> None:
    good = SwapRequest(image=URL, gender=0, filter_id=1)
    bad = good.model_copy(update=wrong)
    with pytest.raises(RequestError, match=next(iter(wrong))):
        services.producer.enqueue(bad)
    first, second = services.producer.enqueue_many([bad, good])
    assert isinstance(first.error, RequestError)
    assert services.producer.get(second.job_id or "").state is State.QUEUED


def test_the_largest_values_of_a_request_are_written_and_read_again(services: WorkerServices) -> None:
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
    [result] = services.producer.enqueue_many([{"image": URL, "gender": 4} | largest])
    job = services.producer.get(str(result.job_id))
    assert job.queue_until - job.created_at == job.run_timeout_ms == 315_360_000_000
    assert {name: getattr(job.spec, name) for name in largest if name not in {"queue_ttl", "run_timeout"}} == {
        name: value for name, value in largest.items() if name not in {"queue_ttl", "run_timeout"}
    }


def test_a_key_gives_the_same_job_to_the_same_request_of_the_same_tenant(services: WorkerServices) -> None:
    first, again = (services.producer.enqueue(swap(idempotency_key="k")) for _ in range(2))
    assert (again.job_id, again.created) == (first.job_id, False)
    with pytest.raises(IdempotencyConflict, match=first.job_id):
        services.producer.enqueue(swap(idempotency_key="k", filter_id=13))
    assert services.producer.enqueue(swap(idempotency_key="k", tenant="other")).created


def test_a_failed_job_keeps_its_key_unless_it_is_replaced(services: WorkerServices) -> None:
    first = services.producer.enqueue(swap(idempotency_key="k"))
    assert services.producer.enqueue(swap(idempotency_key="k", replace_failed=True)).job_id == first.job_id
    services.fail(first.job_id)
    assert services.producer.enqueue(swap(idempotency_key="k")).job_id == first.job_id
    second = services.producer.enqueue(swap(idempotency_key="k", filter_id=13, replace_failed=True))
    assert second.created
    assert services.producer.events(second.job_id)[0].data == {"replaces": first.job_id}


def test_many_are_answered_in_order_item_by_item(services: WorkerServices) -> None:
    items: list[Any] = [
        swap(),
        swap(image="nowhere.jpg"),
        {"image": URL, "gender": 9, "filter_id": 1},
        swap(),
    ]
    results = list(services.producer.enqueue_many(items))
    assert [result.index for result in results] == [0, 1, 2, 3]
    assert [type(result.error).__name__ for result in results] == ["NoneType", "ImageError", "RequestError", "NoneType"]
    assert all(services.producer.get(str(results[n].job_id)).state is State.QUEUED for n in (0, 3))


def test_a_job_that_succeeds_has_its_pictures(services: WorkerServices) -> None:
    job_id = services.producer.enqueue(swap()).job_id
    services.succeed(job_id)
    job = services.producer.wait(job_id, timeout=30)
    [image] = job.images
    assert (job.state, job.credits, image.width, image.height) == (State.SUCCEEDED, 2, 1200, 1800)
    picture = services.producer.picture(image)
    assert (len(picture), picture[:4]) == (image.bytes, b"\x89PNG")
    assert job.created_at <= (job.submitted_at or 0) <= (job.finished_at or 0)


def test_a_job_that_fails_has_a_code(services: WorkerServices) -> None:
    job_id = services.producer.enqueue(swap()).job_id
    services.fail(job_id)
    job = services.producer.get(job_id)
    assert (job.state, job.failure_code, job.images) == (State.FAILED, FailureCode.VENDOR_FAILED, ())


def test_a_job_that_is_not_there_is_reported(services: WorkerServices) -> None:
    asked: list[Any] = [services.producer.get, services.producer.wait, services.producer.cancel]
    asked.append(lambda job_id: services.producer.wait_many([job_id]))
    for ask in asked:
        with pytest.raises(JobNotFound, match="no job 'missing'"):
            ask("missing")


def test_waiting_ends_when_the_job_does(services: WorkerServices) -> None:
    job_id = services.producer.enqueue(swap()).job_id
    found: list[Job] = []
    waiter = threading.Thread(target=lambda: found.append(services.producer.wait(job_id, timeout=30)))
    waiter.start()
    services.succeed(job_id)
    waiter.join(30)
    assert [job.state for job in found] == [State.SUCCEEDED]


def test_waiting_for_many_gives_each_as_it_ends_and_all_in_order(services: WorkerServices) -> None:
    a, b, c = (services.producer.enqueue(swap()).job_id for _ in range(3))
    services.fail(b)
    finishing = services.producer.as_completed([a, b, c], timeout=30)
    assert next(finishing).job_id == b
    services.succeed(c)
    assert next(finishing).job_id == c
    services.succeed(a)
    assert [job.job_id for job in finishing] == [a]
    assert [job.job_id for job in services.producer.wait_many([c, a, b])] == [c, a, b]


def test_time_that_is_over_is_reported_and_stops_no_job(services: WorkerServices) -> None:
    job_id = services.producer.enqueue(swap()).job_id
    with pytest.raises(TimeoutError, match="it goes on"):
        services.producer.wait(job_id, timeout=0.05)
    with pytest.raises(TimeoutError, match="they go on"):
        services.producer.wait_many([job_id], timeout=0.05)


def test_a_queued_job_is_canceled_at_once_and_not_charged(services: WorkerServices) -> None:
    job_id = services.producer.enqueue(swap()).job_id
    for _ in range(2):
        cancellation = services.producer.cancel(job_id)
        assert (cancellation.done, cancellation.charged, cancellation.job.state) == (True, False, State.CANCELED)
    assert services.producer.get(job_id).failure_code is FailureCode.CANCELED


@pytest.mark.parametrize(("keep_result", "pictures"), [(False, 0), (True, 1)])
def test_a_job_at_the_vendor_ends_canceled_when_the_vendor_is_done(
    services: WorkerServices, *, keep_result: bool, pictures: int
) -> None:
    job_id = services.producer.enqueue(swap()).job_id
    services.start(job_id)
    cancellation = services.producer.cancel(job_id, keep_result=keep_result)
    assert (cancellation.done, cancellation.charged, cancellation.job.state) == (False, True, State.RUNNING)
    assert services.producer.get(job_id).canceling is (Canceling.KEEP if keep_result else Canceling.DROP)
    services.succeed(job_id)
    job = services.producer.wait(job_id, timeout=30)
    assert (job.state, job.failure_code, len(job.images)) == (State.CANCELED, FailureCode.CANCELED, pictures)


def test_a_job_that_has_ended_cannot_be_canceled(services: WorkerServices) -> None:
    job_id = services.producer.enqueue(swap()).job_id
    services.succeed(job_id)
    with pytest.raises(NotPossible, match="it is SUCCEEDED"):
        services.producer.cancel(job_id)


def test_the_fake_can_let_every_job_succeed_at_once() -> None:
    producer = FakeProducer(at_once=True)
    one = producer.enqueue(swap(ratio="square"))
    [many] = producer.enqueue_many([swap()])
    done = producer.wait_many([one.job_id, str(many.job_id)], timeout=1)
    assert [(job.state, job.images[0].width) for job in done] == [(State.SUCCEEDED, 1280), (State.SUCCEEDED, 1200)]


def test_the_fake_says_what_a_test_did_wrong() -> None:
    producer = FakeProducer()
    job_id = producer.enqueue(swap()).job_id
    producer.succeed(job_id)
    with pytest.raises(ValueError, match="is SUCCEEDED, not RUNNING"):
        producer.fail(job_id)
    with pytest.raises(ValueError, match="is SUCCEEDED, not QUEUED"):
        producer.start(job_id)
