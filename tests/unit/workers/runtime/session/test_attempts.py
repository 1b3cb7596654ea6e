"""Which attempts are written again, and which are left alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.jobs.fakes import job
from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import waited_for
from swapline_producer.contract import Job, State, Step, StepMessage, transitions
from swapline_producer.contract.answers import Advanced, CancelRequested, LostRace
from swapline_producer.contract.enums import Canceling
from swapline_producer.errors import LedgerUnavailable, UnreadableRecord
from swapline_workers.runtime.attempt_keeper import CHECK_INTERVAL_S, AttemptKeeper
from swapline_workers.runtime.session.attempts import Attempts, OpenAttempt
from swapline_workers.runtime.session.dispatch import Dispatch
from swapline_workers.runtime.session.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from swapline_producer.contract.changes import Change

PAYING = job(State.SUBMITTING, version=9, attempts=1, attempt_open=True, account="main")


@dataclass
class Ledger:
    """Has one job, and counts what is asked of it."""

    found: Job | None
    name: str = "first"
    refusals: list[LostRace | CancelRequested | LedgerUnavailable] = field(default_factory=list)
    reads: int = 0
    written: list[tuple[Job, Change, str]] = field(default_factory=list)

    @property
    def jobs(self) -> Ledger:
        return self

    @property
    def transitions(self) -> Ledger:
        return self

    def server(self, *, confirm: bool) -> str:
        assert confirm
        return self.name

    def get_many(self, job_ids: Sequence[str], unreadable: list[UnreadableRecord]) -> list[Job]:
        assert ({*job_ids}, unreadable) == ({PAYING.job_id}, [])
        self.reads += 1
        return [self.found] if self.found else []

    def restore_attempt(self, job: Job, change: Change, *, token: str) -> Advanced | LostRace | CancelRequested:
        if self.refusals:
            refusal = self.refusals.pop()
            if isinstance(refusal, LedgerUnavailable):
                raise refusal
            return refusal
        self.written.append((job, change, token))
        self.found = transitions.apply(job, change, 5)
        other = StepMessage(step=Step.SUBMIT, job_id="other", version=2)
        return Advanced(job=self.found, at=5, due=7, opens_at=None, replicated=True, granted=(other,), records={})


class Process:
    """One worker's thread, whose call is under way."""

    def __init__(self, found: Job | None) -> None:
        self.ledger = Ledger(found)
        self.leases = Leases()
        self.publisher = RecordingPublisher()
        self.wakeups: list[int] = []
        dispatch = Dispatch(self.publisher, self.wakeups.append)
        self.attempts = Attempts(cast("Any", self.ledger), self.leases, dispatch)

    def pay(self) -> None:
        self.leases.begin_paying("t")
        self.attempts.written(OpenAttempt(PAYING, "t", rescue_after=15.0, server="first"))


@pytest.fixture
def process(request: pytest.FixtureRequest) -> Generator[Process]:
    built = Process(getattr(request, "param", job(State.SUBMITTING, version=8, account="main")))
    with built.leases.lease(PAYING.job_id, PAYING.version):
        built.pay()
        yield built


def test_the_server_that_was_written_to_is_asked_nothing(process: Process) -> None:
    process.attempts.restore()
    assert (process.ledger.reads, process.ledger.written) == (0, [])


def test_a_server_in_its_place_is_asked_once_and_told_what_it_lacks(process: Process) -> None:
    process.ledger.name = "second"
    for _ in range(3):
        process.attempts.restore()
    assert process.ledger.reads == 1
    [(_, change, token)] = process.ledger.written
    assert (change.to, change.due_in, token) == (State.SUBMITTING, 15.0, "t")
    assert change.fields == {"attempts": 1, "attempt_open": True}
    assert process.leases.all() == [(PAYING.job_id, 9)]
    assert [message.job_id for message in process.publisher.messages] == ["other"]
    assert process.wakeups == [7]


@pytest.mark.parametrize("process", [job(State.QUEUED, version=30, account="other")], indirect=True)
def test_a_job_that_another_account_has_or_none_is_the_called_ones_again(process: Process) -> None:
    process.ledger.name = "second"
    process.attempts.restore()
    [(_, change, _)] = process.ledger.written
    assert change.fields == {"attempts": 1, "attempt_open": True, "account": "main"}
    assert process.leases.all() == [(PAYING.job_id, 31)]


@pytest.mark.parametrize(
    "process",
    [None, PAYING, job(State.QUEUED, attempts=1), job(State.RUNNING, attempts=1), job(State.CANCELED)],
    ids=["gone", "known", "refused", "accepted", "ended"],
    indirect=True,
)
def test_what_the_ledger_knows_is_left_alone(process: Process) -> None:
    process.ledger.name = "second"
    process.attempts.restore()
    process.attempts.restore()
    assert (process.ledger.reads, process.ledger.written) == (1, [])


@pytest.mark.parametrize("refusal", [LostRace(), CancelRequested(canceling=Canceling.DROP)])
def test_a_job_that_moved_meanwhile_is_read_again(process: Process, refusal: LostRace | CancelRequested) -> None:
    process.ledger.name = "second"
    process.ledger.refusals = [refusal]
    for _ in range(3):
        process.attempts.restore()
    assert (process.ledger.reads, len(process.ledger.written)) == (2, 1)


def test_one_record_that_cannot_be_written_keeps_no_other_from_it(process: Process) -> None:
    process.ledger.name = "second"
    process.ledger.refusals = [LedgerUnavailable("WRONGTYPE")]
    process.leases._paying[0] = "other"  # another thread's
    process.attempts.written(OpenAttempt(PAYING, "other", rescue_after=15.0, server="first"))
    with pytest.raises(LedgerUnavailable):
        process.attempts.restore()
    assert [token for _, _, token in process.ledger.written] == ["other"]


def test_a_call_that_has_ended_is_left_to_the_thread_that_writes_its_outcome(process: Process) -> None:
    process.ledger.name = "second"
    assert process.leases.settles() == "t"
    process.attempts.restore()
    assert (process.attempts.open(), process.ledger.reads) == ([], 0)


def test_a_keeper_checks_while_a_call_is_under_way_whatever_becomes_of_a_check(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [LedgerUnavailable("away"), ValueError("a bad record"), None]
    pauses: list[float] = []

    def restore() -> None:
        if failure := failures.pop(0):
            raise failure
        process.leases.settles()

    monkeypatch.setattr(process.attempts, "restore", restore)
    AttemptKeeper(process.attempts, pauses.append).keep()
    assert (pauses, failures) == ([CHECK_INTERVAL_S] * 3, [])
    assert [line.levelname for line in caplog.records] == ["ERROR"]


def test_a_keeper_sleeps_until_a_call_begins_and_ends_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(None)
    keeper = AttemptKeeper(process.attempts)
    kept: list[int] = []
    monkeypatch.setattr(keeper, "keep", lambda: kept.append(1))
    keeper.start()
    assert kept == []
    process.attempts.on_written()
    waited_for(lambda: kept == [1])
    keeper.stop()
    assert not keeper.is_alive()
