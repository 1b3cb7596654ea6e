"""Inputs are kept exactly as long as a job may read them, however many use one and in whatever order."""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from support.jobs.publishers import NullPublisher
from support.pictures.pngs import grey_png
from support.redis.fixtures import new_job
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.client.inputs import acceptance
from swapline_producer.contract import FailureCode, State, Step, StoredImage
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import IdempotencyConflict, NotPossible, ObjectMissing, StorageUnavailable
from swapline_producer.ledger import JobFilter, Ledger, connect
from swapline_producer.ledger.retention import InputHold
from swapline_producer.retention.sweep import Sweep
from swapline_producer.testing import memory_storage

if TYPE_CHECKING:
    from support.redis.fixtures import Time
    from swapline_producer.contract import Job
    from swapline_producer.ledger.retention import Taken
    from swapline_producer.storage import Storage
    from swapline_workers.local.valkey.server import EmbeddedValkey

DAY = 86_400.0
ENDS = {
    State.SUCCEEDED: Change(to=State.SUCCEEDED),
    State.CANCELED: Change(to=State.CANCELED, fields={"failure_code": FailureCode.CANCELED}),
    State.EXPIRED: Change(to=State.EXPIRED, fields={"failure_code": FailureCode.QUEUE_TTL}),
}


@pytest.fixture
def storage() -> Storage:
    return memory_storage()


@pytest.fixture
def producer(ledger: Ledger, storage: Storage) -> Producer:
    return Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, NullPublisher(), storage)


@pytest.fixture
def sweep(ledger: Ledger, storage: Storage) -> Sweep:
    return Sweep(ledger, storage)


def enqueue(producer: Producer, picture: bytes = b"", **values: Any) -> Job:
    fields = {"image": picture or grey_png(8, 8), "gender": 0, "filter_id": 1, **values}
    enqueued = producer.enqueue(SwapRequest(**fields))
    return producer.get(enqueued.job_id)


def end(producer: Producer, job: Job, how: State = State.SUCCEEDED) -> None:
    assert isinstance(producer.ledger.transitions.advance(job, ENDS[how]), Advanced)


def key_of(job: Job) -> str:
    assert isinstance(job.spec.image, StoredImage)
    return job.spec.image.key


def test_an_input_goes_with_the_last_job_that_uses_it(producer: Producer, storage: Storage, sweep: Sweep) -> None:
    first, second = enqueue(producer), enqueue(producer)
    end(producer, first)
    sweep.all_due()
    assert storage.head(key_of(second)) is not None
    end(producer, second)
    sweep.all_due()
    assert list(storage.list("inputs")) == []


class Counted:
    """A store that counts what it is asked, and moves of the ledger with it."""

    def __init__(self, storage: Storage, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self._storage = storage
        self.asked: list[str] = []
        run = ledger.scripts._run

        def counted(move: str, arguments: dict[str, Any], **more: Any) -> tuple[dict[str, Any], bool]:
            self.asked.append(move)
            return run(move, arguments, **more)

        monkeypatch.setattr(ledger.scripts, "_run", counted)

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._storage, name)

    def since(self) -> list[str]:
        """Return what was asked since the last time."""
        asked, self.asked = self.asked, []
        return asked


@pytest.fixture
def counted(ledger: Ledger, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(storage, ledger, monkeypatch)


@pytest.fixture
def other(ledger: Ledger, counted: Counted) -> Producer:
    """Another process."""
    return Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, NullPublisher(), counted)


def test_a_picture_is_stored_unasked_and_its_job_written_in_one_move(other: Producer, counted: Counted) -> None:
    enqueue(other)
    assert counted.since()[-2:] == ["put_once", "accept"]
    enqueue(other, grey_png(9, 9))
    assert counted.since() == ["put_once", "accept"]


def test_a_process_sends_a_picture_once_for_many_jobs(other: Producer, counted: Counted) -> None:
    first = enqueue(other)
    end(other, first, State.EXPIRED)  # its input is kept
    counted.since()
    for _ in range(3):
        enqueue(other)
        assert counted.since() == ["accept"]


def test_a_picture_that_was_deleted_by_hand_is_stored_anew_after_a_minute(
    other: Producer, counted: Counted, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert acceptance.REMEMBERED_S == 60
    monkeypatch.setattr(acceptance, "REMEMBERED_S", 0.0)
    job = enqueue(other)
    storage.delete([key_of(job)])
    counted.since()
    enqueue(other)
    assert counted.since() == ["put_once", "accept"]
    assert storage.head(key_of(job))


def test_where_others_have_stored_the_pictures_they_are_asked_for_and_not_sent(
    producer: Producer, other: Producer, counted: Counted
) -> None:
    pictures = [grey_png(8, size) for size in range(4, 8)]
    for picture in pictures[:3]:
        enqueue(producer, picture)
    counted.since()
    asked = []
    for picture in [*pictures, grey_png(9, 9)]:
        enqueue(other, picture)
        asked.append(counted.since())
    assert asked[0][-2:] == ["put_once", "accept"]  # and it was there already
    assert asked[1:] == [
        ["hold", "head", "accept"],
        ["hold", "head", "accept"],
        ["hold", "put_once", "accept"],
        ["put_once", "accept"],
    ]


def test_the_input_of_a_job_that_succeeded_can_be_kept_a_while_to_be_shown(
    valkey: EmbeddedValkey, prefix: str, time: Time, storage: Storage
) -> None:
    ledger = Ledger(connect(valkey.url), prefix, input_shown=60, clock=time)
    producer = Producer(ProducerSettings(key_prefix=prefix), ledger, NullPublisher(), storage)
    job = enqueue(producer)
    ledger.transitions.advance(job, Change(to=State.SUCCEEDED))
    gone = []
    for seconds in (1, 50, 10):
        time.pass_(seconds)
        Sweep(ledger, storage).due()
        gone.append(storage.head(key_of(job)) is None)
    assert gone == [False, False, True]


WITHOUT_SUCCESS = [State.FAILED, State.EXPIRED, State.TIMED_OUT, State.CANCELED]


@pytest.mark.parametrize("how", WITHOUT_SUCCESS)
def test_after_every_end_without_success_the_input_is_kept_for_a_replay_until_input_ttl(
    producer: Producer, storage: Storage, sweep: Sweep, time: Time, how: State
) -> None:
    job = enqueue(producer)
    assert isinstance(producer.ledger.transitions.advance(job, Change(to=how)), Advanced)
    time.pass_(DAY - 1)
    sweep.all_due()
    assert storage.head(key_of(job)) is not None
    time.pass_(2)
    sweep.all_due()
    assert storage.head(key_of(job)) is None


@pytest.mark.parametrize("how", WITHOUT_SUCCESS)
def test_a_dry_run_and_the_replay_itself_say_the_same_of_the_picture(
    producer: Producer, sweep: Sweep, time: Time, how: State
) -> None:
    job = enqueue(producer)
    linked = enqueue(producer, image="https://pictures.example/me.jpg")
    for one in (job, linked):
        assert isinstance(producer.ledger.transitions.advance(one, Change(to=how)), Advanced)

    def problems(*jobs: Job) -> list[str | None]:
        ids = [one.job_id for one in jobs]
        by_filter = list(producer.recovery.replay_many(JobFilter(), Step.SUBMIT, dry_run=True))
        one_by_one = list(producer.recovery.replayable(ids, Step.SUBMIT))
        assert sorted(by_filter) == sorted(one_by_one)
        return [found.problem for found in one_by_one]

    sweep.all_due()
    assert problems(job, linked) == [None, None]
    time.pass_(DAY + 1)
    sweep.all_due()
    gone, there = problems(job, linked)
    assert there is None
    with pytest.raises(NotPossible, match="its picture is not kept any more: SWAPLINE_INPUT_TTL") as refused:
        producer.recovery.replay(job.job_id, Step.SUBMIT, accept_charge=True)
    assert str(refused.value) == gone
    assert producer.recovery.replay(linked.job_id, Step.SUBMIT, accept_charge=True).state is State.QUEUED


def test_a_canceled_job_is_sent_again_with_its_picture(producer: Producer, storage: Storage, sweep: Sweep) -> None:
    job = enqueue(producer)
    producer.cancel(job.job_id)
    sweep.all_due()
    producer.recovery.replay(job.job_id, Step.SUBMIT, accept_charge=True)
    sweep.all_due()
    assert storage.head(key_of(job)) is not None


def test_a_failed_job_that_is_taken_up_again_keeps_its_input_and_one_that_comes_too_late_is_refused(
    producer: Producer, storage: Storage, sweep: Sweep, time: Time
) -> None:
    again = Change(to=State.QUEUED, in_line=True, due_by="queue_until")
    job = enqueue(producer)
    end(producer, job, State.EXPIRED)
    assert isinstance(producer.ledger.transitions.advance(producer.get(job.job_id), again), Advanced)
    time.pass_(3 * DAY)
    sweep.all_due()
    assert storage.head(key_of(job)) is not None
    end(producer, producer.get(job.job_id), State.EXPIRED)
    time.pass_(DAY + 1)
    sweep.all_due()
    with pytest.raises(NotPossible, match="its picture is not kept any more"):
        producer.ledger.transitions.advance(producer.get(job.job_id), again)


def test_a_picture_that_was_held_and_never_enqueued_goes_after_input_ttl(
    producer: Producer, storage: Storage, sweep: Sweep, time: Time
) -> None:
    digest = hashlib.sha256(b"me").hexdigest()
    assert producer.ledger.retention.hold_input(digest, "never") == InputHold()
    storage.put_once(f"inputs/{digest}", b"me", "image/png")
    sweep.all_due()
    assert storage.head(f"inputs/{digest}")
    time.pass_(DAY + 1)
    sweep.all_due()
    assert storage.head(f"inputs/{digest}") is None


def test_a_request_that_finds_an_earlier_job_or_a_conflict_leaves_no_hold(
    producer: Producer, storage: Storage, sweep: Sweep
) -> None:
    job = enqueue(producer, idempotency_key="order-1")
    assert enqueue(producer, idempotency_key="order-1").job_id == job.job_id
    with pytest.raises(IdempotencyConflict):
        enqueue(producer, grey_png(9, 9), idempotency_key="order-1")
    end(producer, job)
    assert enqueue(producer, idempotency_key="order-1").job_id == job.job_id
    sweep.all_due()
    assert list(storage.list("inputs")) == []


def test_an_input_that_is_being_deleted_is_waited_for_and_stored_anew(
    producer: Producer, storage: Storage, ledger: Ledger
) -> None:
    job = enqueue(producer)
    end(producer, job)
    taken = ledger.retention.take_unneeded(lease=60)
    assert taken.names == [key_of(job)]
    found: list[Job] = []
    other = threading.Thread(target=lambda: found.append(enqueue(producer)))
    other.start()
    storage.delete(taken.names)
    ledger.retention.confirm_deleted(taken)
    other.join(30)
    assert storage.head(key_of(found[0])) is not None


def test_who_was_killed_while_deleting_blocks_the_same_picture_for_its_lease_only(
    producer: Producer, ledger: Ledger, storage: Storage, sweep: Sweep, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = enqueue(producer)
    end(producer, job)
    ledger.retention.take_unneeded(lease=60)
    monkeypatch.setattr(acceptance, "DELETION_TIMEOUT_S", 0.0)
    with pytest.raises(StorageUnavailable, match="is being deleted"):
        enqueue(producer)
    time.pass_(61)
    assert sweep.all_due() == 1
    assert list(storage.list("inputs")) == []
    assert storage.head(key_of(enqueue(producer))) is not None


def test_a_job_whose_hold_has_ended_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    image = StoredImage(sha256="0" * 64, media_type="image/png", width=1, height=1, size=1)
    with pytest.raises(ObjectMissing, match="enqueue it again"):
        ledger.intake.accept(new_job("a", image=image, idempotency_key="k"))
    assert ledger.stats.census()[State.QUEUED] == 0
    assert ledger.intake.known_keys([("default", "k")]) == 0


def test_a_sweeper_that_was_suspended_deletes_nothing(producer: Producer, storage: Storage, ledger: Ledger) -> None:
    job = enqueue(producer)
    end(producer, job)
    timestamps = iter([0.0, 1000.0])
    Sweep(ledger, storage, clock=lambda: next(timestamps)).due()
    assert storage.head(key_of(job)) is not None


def test_many_siblings_cost_a_job_no_more(producer: Producer, ledger: Ledger) -> None:
    """The work of one move, in commands inside the server, is the same beside 3 and beside 3,000 other jobs."""

    def calls() -> int:
        stats = ledger.client.info("commandstats")
        return sum(one["calls"] for name, one in stats.items() if name not in {"cmdstat_info", "cmdstat_hello"})

    def cost(siblings: int) -> int:
        requests = ({"image": grey_png(8, 8), "gender": 0, "filter_id": 1} for _ in range(siblings))
        assert all(result.created for result in producer.enqueue_many(requests))
        job = enqueue(producer)
        before = calls()
        end(producer, job)
        return calls() - before

    ledger.client.config_resetstat()
    cost(3)  # the first ones are given the slots
    assert cost(3) == cost(3000)


def test_no_order_of_producers_jobs_and_sweepers_deletes_what_somebody_needs(valkey: EmbeddedValkey) -> None:
    class Here(Inputs):
        url = valkey.url

    run_state_machine_as_test(Here, settings=settings(max_examples=120, stateful_step_count=40))
    assert Here.deleted > 0, "the sweepers have never had anything to do"
    assert Here.kept > 0, "they have never met an input that a job needs"
    assert Here.unheld > 0, "after a deletion no job was accepted without a hold"


PICTURES = ("aaa1", "aaa2", "b")
"""Two are in one part of the hashes."""


class Inputs(RuleBasedStateMachine):
    """Three pictures, producers and sweepers that halt anywhere, while time passes."""

    url = ""
    deleted = 0
    kept = 0
    unheld = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000_000
        self.client = connect(self.url)
        self.ledger = Ledger(self.client, f"m{secrets.token_hex(6)}", clock=lambda: self.now, input_ttl=100.0)
        self.ledger.limits.configure(Limits(max_in_flight=1, rescue_after=15))
        self.objects: set[str] = set()
        self.held: dict[str, str] = {}
        self.stored: dict[str, str] = {}
        self.known = 0
        self.put: dict[str, tuple[str, int]] = {}
        self.jobs: dict[str, str] = {}
        self.sweeps: list[tuple[int, Taken]] = []
        self.number = 0

    @rule(picture=st.sampled_from(PICTURES))
    def hold(self, picture: str) -> None:
        self.number += 1
        if self.ledger.retention.hold_input(picture, f"j{self.number}").wait is None:
            self.held[f"j{self.number}"] = picture

    @rule()
    def store(self) -> None:
        for job_id, picture in self.held.items():
            self.objects.add(picture)
            self.stored[job_id] = picture
        self.held.clear()

    @rule()
    def learn(self) -> None:
        self.known = self.ledger.retention.last_deletion()

    @rule(picture=st.sampled_from(PICTURES))
    def store_unheld(self, picture: str) -> None:
        self.number += 1
        self.objects.add(picture)
        self.put[f"j{self.number}"] = picture, self.known

    @rule()
    def accept_unheld(self) -> None:
        for job_id, (picture, known) in self.put.items():
            image = StoredImage(sha256=picture, media_type="image/png", width=1, height=1, size=1)
            try:
                self.ledger.intake.accept(new_job(job_id, image=image, queue_ttl=10**6)._replace(stored_after=known))
                self.jobs[job_id] = picture
                type(self).unheld += bool(known)
            except ObjectMissing:
                assert self.now > 0  # it may have been deleted: the producer holds it
        self.put.clear()

    @rule(picture=st.sampled_from(PICTURES))
    def enqueue_unheld(self, picture: str) -> None:
        """All three without a halt."""
        self.learn()
        self.store_unheld(picture)
        self.accept_unheld()

    @rule()
    def accept(self) -> None:
        for job_id, picture in self.stored.items():
            image = StoredImage(sha256=picture, media_type="image/png", width=1, height=1, size=1)
            try:
                self.ledger.intake.accept(new_job(job_id, image=image, queue_ttl=10**6))
                self.jobs[job_id] = picture
            except ObjectMissing:
                assert self.now > 0  # it took longer than the hold: the producer is refused
        self.stored.clear()

    @rule(how=st.sampled_from(sorted(ENDS)))
    def end(self, how: State) -> None:
        if self.jobs:
            job_id, _ = self.jobs.popitem()
            assert isinstance(self.ledger.transitions.advance(self.ledger.jobs.get(job_id), ENDS[how]), Advanced)

    @rule(picture=st.sampled_from(PICTURES))
    def enqueue(self, picture: str) -> None:
        """All three without a halt, as it mostly is."""
        self.hold(picture)
        self.store()
        self.accept()

    @rule(how=st.sampled_from(sorted(ENDS)))
    def end_all_and_take(self, how: State) -> None:
        while self.jobs:
            self.end(how)
        self.take()

    @rule()
    def take(self) -> None:
        self.sweeps.append((self.now, self.ledger.retention.take_unneeded(lease=30.0)))

    @rule()
    def delete(self) -> None:
        for began, taken in self.sweeps:
            if self.now - began < 15_000:  # as Sweep does: who is late leaves it alone
                type(self).deleted += len(taken.names)
                type(self).kept += len(self.jobs)
                self.objects -= {name.removeprefix("inputs/") for name in taken.names}
                self.ledger.retention.confirm_deleted(taken)
        self.sweeps.clear()

    @rule()
    def patrol(self) -> None:
        """The janitor, without its safe age."""
        self.ledger.retention.add_unneeded(
            [f"inputs/{picture}" for picture in self.ledger.retention.unknown_inputs(sorted(self.objects))]
        )

    @rule(seconds=st.sampled_from([1, 10, 40, 120]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1000

    @invariant()
    def every_job_has_its_input(self) -> None:
        assert set(self.jobs.values()) <= self.objects

    def teardown(self) -> None:
        self.now += 10**7
        self.stored.clear()
        self.put.clear()
        while self.jobs:
            self.end(State.SUCCEEDED)
        for _ in range(3):
            self.now += 10**6
            self.sweeps.clear()
            self.patrol()  # an object that was put after its hold had ended is an orphan
            self.take()
            self.delete()
        assert self.objects == set()  # and nothing stays for ever
        self.client.delete(*self.client.keys(f"{self.ledger.prefix}:*"))
        self.client.close()
