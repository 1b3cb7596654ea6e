"""What may happen between storing a picture and writing its job: whatever it is, the job has its input."""

from __future__ import annotations

import hashlib
import threading
import time as wall
from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.publishers import NullPublisher
from support.pictures.pngs import grey_png
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State, StoredImage
from swapline_producer.contract.changes import Change
from swapline_producer.errors import IdempotencyConflict, LedgerUnavailable, RequestError
from swapline_producer.retention.orphans import SAFE_AGE, Janitor
from swapline_producer.retention.sweep import Sweep
from swapline_producer.testing import memory_storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.redis.fixtures import Time
    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage

PICTURE = grey_png(8, 8)
KEY = f"inputs/{hashlib.sha256(PICTURE).hexdigest()}"


class Halting:
    """A store that does something else when a picture has just been stored."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.then: Callable[[], object] = lambda: None
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.storage, name)

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:
        written = self.storage.put_once(key, data, content_type)
        if key.startswith("inputs/"):
            self.asked.append("put_once")
            then, self.then = self.then, lambda: None
            then()
        return written


class Race:
    """A producer in which something happens between storing and accepting, alone or in bulk."""

    def __init__(self, ledger: Ledger, time: Time, *, bulk: bool) -> None:
        self.ledger, self.time, self.bulk = ledger, time, bulk
        self.store = Halting(memory_storage())
        self.sweep = Sweep(ledger, self.store.storage)
        self.settled = Producer(ProducerSettings(), ledger, NullPublisher(), self.store.storage)
        self.producer = Producer(ProducerSettings(), ledger, NullPublisher(), self.store)

    def enqueue(self, picture: bytes = PICTURE, **values: Any) -> Job:
        request = SwapRequest(image=picture, gender=0, filter_id=1, **values)
        if not self.bulk:
            return self.producer.get(self.producer.enqueue(request).job_id)
        [result] = self.producer.enqueue_many([request])
        if result.error is not None:
            raise result.error
        return self.producer.get(str(result.job_id))

    def unneeded(self, picture: bytes = PICTURE) -> None:
        """Have another job leave this picture behind."""
        request = SwapRequest(image=picture, gender=0, filter_id=1)
        job = self.settled.get(self.settled.enqueue(request).job_id)
        self.ledger.transitions.advance(job, Change(to=State.SUCCEEDED))

    def delete_another(self, sha256: str) -> None:
        """Have the deletion of another input begin and end."""
        self.ledger.client.zadd(f"{self.ledger.prefix}:unneeded", {f"inputs/{sha256}": 1})
        assert self.sweep.all_due() == 1

    def has_its_input(self, job: Job) -> bool:
        """Whether the input is there, and stays while the job may read it."""
        self.time.pass_(100_000)
        self.sweep.all_due()
        assert job.state is State.QUEUED
        return isinstance(job.spec.image, StoredImage) and self.store.storage.head(job.spec.image.key) is not None


@pytest.fixture(params=[False, True], ids=["alone", "in bulk"])
def race(ledger: Ledger, time: Time, request: pytest.FixtureRequest) -> Race:
    return Race(ledger, time, bulk=request.param)


def test_a_picture_that_was_deleted_before_its_job_was_written_is_stored_anew(race: Race) -> None:
    race.unneeded()
    race.store.then = race.sweep.all_due
    assert race.has_its_input(race.enqueue())
    assert race.store.asked.count("put_once") == 2


def test_a_deletion_that_is_under_way_is_waited_for(race: Race) -> None:
    race.unneeded()
    began = threading.Event()

    def begin() -> None:
        taken = race.ledger.retention.take_unneeded(lease=60)
        assert taken.names == [KEY]

        def finish() -> None:
            began.wait()
            race.store.storage.delete(taken.names)
            race.ledger.retention.confirm_deleted(taken)

        threading.Thread(target=finish).start()
        began.set()

    race.store.then = begin
    assert race.has_its_input(race.enqueue())


@pytest.mark.parametrize("deletes", [True, False])
def test_a_deletion_whose_lease_has_ended_counts_as_one_whether_or_not_it_deleted(race: Race, *, deletes: bool) -> None:
    race.unneeded()

    def begin_and_be_killed() -> None:
        taken = race.ledger.retention.take_unneeded(lease=60)
        if deletes:
            race.store.storage.delete(taken.names)
        race.time.pass_(61)

    race.store.then = begin_and_be_killed
    job = race.enqueue()
    assert race.store.asked.count("put_once") == 1 + deletes
    assert race.has_its_input(job)


def test_a_deletion_that_another_producer_has_found_ended_is_not_overlooked(race: Race) -> None:
    """A hold ends the lock of a killed sweeper: what was stored before is not believed to be there."""
    race.unneeded()

    def be_killed_and_found() -> None:
        taken = race.ledger.retention.take_unneeded(lease=60)
        race.store.storage.delete(taken.names)
        race.time.pass_(61)
        race.ledger.retention.hold_input(KEY.removeprefix("inputs/"), "who dies before it stores it")

    race.store.then = be_killed_and_found
    assert race.has_its_input(race.enqueue())


def test_however_long_it_takes_to_store_a_picture_its_job_is_written_at_once(race: Race) -> None:
    race.delete_another("f" * 64)

    def last_long() -> None:
        race.time.pass_(86_400)
        race.delete_another("0" * 64)

    race.store.then = last_long
    job = race.enqueue()
    assert race.store.asked[-1] == "put_once"  # and nothing more
    assert race.has_its_input(job)


def test_the_deletion_of_another_input_in_its_part_of_the_hashes_costs_a_look_and_no_upload(race: Race) -> None:
    race.store.then = lambda: race.delete_another(f"{KEY[7:10]}{'0' * 61}")
    job = race.enqueue()
    assert race.store.asked[-2:] == ["put_once", "head"]
    assert race.has_its_input(job)


def test_a_picture_that_is_stored_after_a_deletion_is_known_to_be_there(race: Race) -> None:
    race.unneeded()
    race.sweep.all_due()
    job = race.enqueue()
    assert race.store.asked[-1] == "put_once"
    assert race.has_its_input(job)


def test_a_remembered_picture_that_was_deleted_since_is_stored_anew(race: Race) -> None:
    first = race.enqueue()
    race.ledger.transitions.advance(first, Change(to=State.SUCCEEDED))
    race.sweep.all_due()
    assert race.has_its_input(race.enqueue())


def test_the_janitor_leaves_a_picture_that_has_just_been_stored(race: Race) -> None:
    def clean(later: float) -> None:
        janitor = Janitor(race.ledger, race.store.storage, result_ttl=None, wall=lambda: wall.time() + later)
        janitor.everything(limit=1000, dry=False)
        race.sweep.all_due()

    race.store.then = lambda: clean(SAFE_AGE - 60)
    job = race.enqueue()
    assert race.store.asked[-1] == "put_once"
    race.store.then = lambda: clean(SAFE_AGE + 60)  # as if storing it had taken that long
    other = race.enqueue(grey_png(9, 9))
    assert race.store.asked[-2:] == ["head", "put_once"]
    assert race.has_its_input(job)
    assert race.has_its_input(other)


def test_a_picture_whose_producer_died_goes_when_it_is_old(race: Race) -> None:
    class Died(BaseException):
        pass

    def die() -> None:
        raise Died

    race.store.then = die
    with pytest.raises(Died):
        race.enqueue()
    assert race.store.storage.head(KEY)
    janitor = Janitor(race.ledger, race.store.storage, result_ttl=None, wall=lambda: wall.time() + SAFE_AGE + 60)
    janitor.everything(limit=1000, dry=False)
    race.sweep.all_due()
    assert race.store.storage.head(KEY) is None


@pytest.mark.parametrize(
    ("values", "refusal"),
    [({"account": "nowhere"}, RequestError), ({"idempotency_key": "order-1"}, IdempotencyConflict)],
)
def test_the_picture_of_a_refused_request_is_deleted_at_once(
    race: Race, values: dict[str, Any], refusal: type[Exception]
) -> None:
    linked = SwapRequest(image="https://pictures.example/me.jpg", gender=0, filter_id=1, idempotency_key="order-1")
    race.settled.enqueue(linked)
    with pytest.raises(refusal):
        race.enqueue(**values)
    assert race.store.storage.head(KEY)
    race.sweep.all_due()
    assert race.store.storage.head(KEY) is None


def test_two_producers_with_the_same_picture_at_the_same_time_both_have_it(race: Race) -> None:
    others: list[Job] = []

    def come_and_go() -> None:
        race.unneeded()
        race.sweep.all_due()

    def come() -> None:
        request = SwapRequest(image=PICTURE, gender=0, filter_id=1)
        others.append(race.settled.get(race.settled.enqueue(request).job_id))

    for act in (come, come_and_go):
        race.store.then = act
        assert race.has_its_input(race.enqueue(grey_png(9, 9) if act is come else PICTURE))
    assert race.has_its_input(others[0])


def test_a_ledger_that_goes_away_before_the_job_is_written_leaves_a_picture_that_the_janitor_finds(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise LedgerUnavailable("away")

        monkeypatch.setattr(race.ledger.scripts, "_run", fail)
        monkeypatch.setattr(race.ledger.scripts, "run_many", fail)

    race.store.then = away
    with pytest.raises(LedgerUnavailable):
        race.enqueue()
    monkeypatch.undo()
    assert race.ledger.retention.unknown_inputs([KEY[7:]]) == [KEY[7:]]


def test_numbers_of_deletions_grow_whatever_the_clock_does(race: Race) -> None:
    numbers = []
    for step in (0, 10, -100, 0):
        race.time.pass_(step)
        race.delete_another("0" * 64)
        numbers.append(race.ledger.retention.last_deletion())
    assert sorted(set(numbers)) == numbers
    race.time.pass_(3600)
    race.ledger.client.delete(f"{race.ledger.prefix}:deletions")  # lost, as by a restart
    race.delete_another("0" * 64)
    assert race.ledger.retention.last_deletion() > numbers[-1]


def test_the_memory_of_deletions_is_bounded(race: Race) -> None:
    names = {f"inputs/{hashlib.sha256(str(number).encode()).hexdigest()}": 1 for number in range(20_000)}
    race.ledger.client.zadd(f"{race.ledger.prefix}:unneeded", names)
    assert race.sweep.all_due() == len(names)
    deletions = f"{race.ledger.prefix}:deletions"
    used: Any = race.ledger.client.memory_usage(deletions)
    assert 4000 < race.ledger.client.hlen(deletions) <= 4097
    assert used < 500_000
