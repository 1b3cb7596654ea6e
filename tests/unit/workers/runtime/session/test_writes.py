"""Writes over the ledger in memory: what is written, what is refused, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import new_job
from swapline_producer.contract import Canceling, Job, State, StepMessage, transitions
from swapline_producer.contract.answers import Advanced, LostRace
from swapline_producer.contract.changes import Change
from swapline_producer.ledger.memory import MemoryLedger
from swapline_workers.core.outcomes import CanceledInstead
from swapline_workers.runtime.session.job_session import JobSession

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger


@pytest.fixture
def ledger() -> MemoryLedger:
    memory = MemoryLedger()
    memory.accept(new_job("a"))
    return memory


@pytest.fixture
def session(ledger: MemoryLedger) -> JobSession:
    return JobSession(cast("Ledger", ledger), RecordingPublisher(), schedule_wakeup=lambda _: None)


def running(ledger: MemoryLedger) -> Job:
    advanced = ledger.advance(ledger.get("a"), Change(to=State.SUBMITTING))
    assert isinstance(advanced, Advanced)
    advanced = ledger.advance(advanced.job, transitions.submitted(advanced.job, "v-1", "IN_QUEUE", poll_in=1))
    assert isinstance(advanced, Advanced)
    return advanced.job


def polled(job: Job) -> Change:
    return transitions.polled(job, "IN_PROGRESS", poll_in=1, count={})


def test_a_written_job_is_leased_at_its_new_version(ledger: MemoryLedger, session: JobSession) -> None:
    job = running(ledger)
    with session.leases.lease("a", job.version):
        written = session.writes.advance(job, polled(job))
        assert written == ledger.get("a")
        assert session.leases.all() == [("a", job.version + 1)]


def test_a_lost_race_writes_nothing(ledger: MemoryLedger, session: JobSession) -> None:
    job = running(ledger)
    ledger.advance(job, polled(job))
    with session.leases.lease("a", job.version):
        assert session.writes.advance(job, polled(job)) == LostRace()
    assert ledger.get("a").version == job.version + 1


def test_a_job_that_was_canceled_meanwhile_goes_on_where_the_vendor_has_it(
    ledger: MemoryLedger, session: JobSession
) -> None:
    job = running(ledger)
    ledger.request_cancel(job, Canceling.DROP)
    with session.leases.lease("a", job.version):
        written = session.writes.advance(job, polled(job))
    assert isinstance(written, Job)
    assert (written.state, written.canceling) == (State.RUNNING, Canceling.DROP)


def test_what_would_bring_a_canceled_job_on_ends_it_instead(ledger: MemoryLedger, session: JobSession) -> None:
    job = running(ledger)
    ledger.request_cancel(job, Canceling.DROP)
    completed = transitions.completed(job, rescue_after=15, service_times={}, detection_delay=0)
    with session.leases.lease("a", job.version):
        assert session.writes.advance(job, completed) == CanceledInstead(ledger.get("a"))
    assert ledger.get("a").state is State.CANCELED


def test_an_end_that_is_canceled_instead_is_an_end_all_the_same(ledger: MemoryLedger, session: JobSession) -> None:
    job = running(ledger)
    ledger.request_cancel(job, Canceling.KEEP)
    with session.leases.lease("a", job.version):
        ended = session.writes.advance(job, transitions.timed_out(job, "late", rescue_after=15))
    assert isinstance(ended, Job)
    assert ended.state is State.CANCELED


def test_a_change_that_is_not_in_the_table_is_an_error(ledger: MemoryLedger, session: JobSession) -> None:
    with pytest.raises(ValueError, match="from QUEUED to STORING"):
        session.writes.advance(ledger.get("a"), Change(to=State.STORING))


def test_jobs_that_a_write_gives_a_slot_are_sent_and_due_moments_scheduled(
    ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = StepMessage(step="submit", job_id="b", version=2)
    original = ledger.advance

    def granting(*arguments: object, **more: object) -> object:
        answer = original(*arguments, **more)  # type: ignore[arg-type]
        assert isinstance(answer, Advanced)
        return answer.model_copy(update={"granted": (message,), "due": 5, "opens_at": 9})

    job = running(ledger)
    monkeypatch.setattr(ledger, "advance", granting)
    publisher, timestamps = RecordingPublisher(), list[int]()
    session = JobSession(cast("Ledger", ledger), publisher, schedule_wakeup=timestamps.append)
    with session.leases.lease("a", job.version):
        session.writes.advance(job, polled(job))
    assert (publisher.messages, timestamps) == ([message], [5, 9])
