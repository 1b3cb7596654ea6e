"""The session over a real ledger: what it leases, and how it closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.fakes import World
from support.publishers import NullPublisher
from support.servers import new_job
from swapline_producer.contract import Job, State, Step, StepMessage
from swapline_producer.contract.answers import LostRace, Released
from swapline_producer.contract.changes import Change
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.outcomes import STALE
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from support.servers import Time
    from swapline_producer.ledger import Ledger


@pytest.fixture
def session(ledger: Ledger) -> JobSession:
    ledger.intake.accept(new_job("a"))
    return JobSession(
        ledger, NullPublisher(), schedule_wakeup=lambda _: None, has_pictures=lambda job: job.vendor_job_id == "v"
    )


def test_a_closed_session_releases_what_it_is_handed(ledger: Ledger, session: JobSession) -> None:
    session.drain()
    with session.lease("a", 1) as opened:
        assert opened is None
    assert ledger.transitions.claim(ROUTES).messages == (StepMessage(step=Step.SUBMIT, job_id="a", version=2),)
    assert "rescues" not in ledger.stats.counters()


def test_a_closing_session_lets_no_paid_call_begin(ledger: Ledger, session: JobSession) -> None:
    world = World()
    ports = world.ports
    with session.lease("a", 1) as opened:
        assert opened is not None
        session.drain()
        object.__setattr__(ports, "writes", session.writes)
        assert submit(opened.job, opened.at, ports) == STALE
    assert world.vendor.submitted == []
    assert (ledger.jobs.get("a").state, ledger.jobs.get("a").attempts) == (State.SUBMITTING, 0)
    assert [message.job_id for message in ledger.transitions.claim(ROUTES).messages] == ["a"]


def test_what_was_released_cannot_be_written_by_who_had_it(session: JobSession) -> None:
    with session.lease("a", 1) as opened:
        assert opened is not None
        assert session.release(session.leases.all()) == Released(released=1)
        assert session.writes.line_up(opened.job) == LostRace()


def test_giving_back_twice_or_what_is_at_rest_changes_nothing(ledger: Ledger, session: JobSession) -> None:
    assert session.release([("a", 1)]) == Released(released=1)
    assert session.release([("a", 1), ("missing", 1)]) == Released()
    assert ledger.jobs.get("a").version == 2


def test_a_paid_call_under_way_is_not_released(ledger: Ledger, session: JobSession, time: Time) -> None:
    with session.lease("a", 1) as opened:
        assert opened is not None
        lined_up = session.writes.line_up(opened.job)
        assert lined_up is not None
        ledger.client.hset(f"{ledger.prefix}:job:a", "attempt_open", "1")
        assert session.release(session.leases.all()) == Released(paying=1)
    time.pass_(14)
    assert ledger.transitions.claim(ROUTES).messages == ()


def test_an_old_message_is_not_begun_while_its_job_is_leased_at_a_later_version(
    ledger: Ledger, session: JobSession, caplog: pytest.LogCaptureFixture
) -> None:
    """A ledger that lost its last writes sends what a living worker is just paying for."""
    with session.lease("a", 1) as opened:
        assert opened is not None
        assert session.writes.line_up(opened.job) != LostRace()
        ledger.client.hset(f"{ledger.prefix}:job:a", mapping={"state": "QUEUED", "version": "1"})
        with session.lease("a", 1) as again:
            assert again is None
    assert "ledger is behind this worker: job a has version 2 here and 1 there" in caplog.text


def test_a_late_message_of_a_leased_job_proves_nothing_about_the_ledger(
    ledger: Ledger, session: JobSession, caplog: pytest.LogCaptureFixture
) -> None:
    """A job that waited for longer than its rescue without a worker has two messages, of two versions."""
    with session.lease("a", 1) as opened:
        assert opened is not None
        assert isinstance(session.writes.line_up(opened.job), Job)
        with session.lease("a", 1) as again:
            assert again is None
    assert ledger.jobs.get("a").version == 2
    assert caplog.text == ""


def completed(session: JobSession, ledger: Ledger, vendor_job_id: str = "v") -> int:
    """Bring the job as far as the vendor has completed it; return its version. The pictures of `v` are in memory."""
    with session.lease("a", 1) as opened:
        assert opened is not None
        submitting = session.writes.line_up(opened.job)
        assert isinstance(submitting, Job)
        change = Change(to=State.RUNNING, fields={"vendor_job_id": vendor_job_id}, due_in=1, stamps={"run_until": 100})
        job = session.writes.advance(submitting, change)
        assert isinstance(job, Job)
        assert isinstance(session.writes.advance(job, Change(to=State.STORING, due_in=15)), Job)
    return ledger.jobs.get("a").version


def test_a_job_that_this_session_moved_is_leased_without_being_read_once(ledger: Ledger, session: JobSession) -> None:
    version = completed(session, ledger)
    ledger.client.hset(f"{ledger.prefix}:job:a", "vendor_status", "only in the ledger")
    with session.lease("a", version) as first:
        assert first is not None
        assert first.job.vendor_status is None
    with session.lease("a", version) as second:
        assert second is not None
        assert second.job.vendor_status == "only in the ledger"


def test_a_job_whose_pictures_are_not_in_memory_is_read_and_its_poll_counted_each_time(
    ledger: Ledger, session: JobSession
) -> None:
    version = completed(session, ledger, "elsewhere")
    ledger.client.hset(f"{ledger.prefix}:job:a", "vendor_status", "only in the ledger")
    for count in (1, 2):
        with session.lease("a", version) as opened:
            assert opened is not None
            assert opened.job.vendor_status == "only in the ledger"
        assert ledger.stats.snapshot().counts["polls_begun"] == count


def test_what_is_remembered_of_another_version_is_not_used(ledger: Ledger, session: JobSession) -> None:
    version = completed(session, ledger)
    ledger.client.hset(f"{ledger.prefix}:job:a", "version", str(version + 1))
    with session.lease("a", version + 1) as opened:
        assert opened is not None
        assert opened.job.version == version + 1


def test_what_is_remembered_and_was_moved_by_another_cannot_be_written(ledger: Ledger, session: JobSession) -> None:
    version = completed(session, ledger)
    ledger.client.hset(f"{ledger.prefix}:job:a", "version", str(version + 1))
    with session.lease("a", version) as opened:
        assert opened is not None
        assert isinstance(session.writes.advance(opened.job, Change(to=State.STORING, due_in=1)), LostRace)
