"""The session over a real ledger: what it leases, and how it closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.fakes import World
from support.jobs.publishers import NullPublisher
from support.redis.fixtures import new_job
from swapline_producer.contract import Canceling, Job, State, Step, StepMessage, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced, LostRace, Released
from swapline_producer.contract.changes import Change
from swapline_producer.errors import LedgerUnavailable
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.outcomes import STALE
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from support.redis.fixtures import Time
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


def test_what_came_of_a_paid_call_is_not_written_to_an_attempt_that_followed_a_loss_of_writes(
    ledger: Ledger, session: JobSession
) -> None:
    with session.lease("a", 1) as opened:
        assert opened is not None
        granted = session.writes.line_up(opened.job)
        assert isinstance(granted, Job)
        sending = session.writes.advance(granted, transitions.attempted(granted, rescue_after=15))
        assert isinstance(sending, Job)
        ledger.client.hset(f"{ledger.prefix}:job:a", "token", "of another worker's attempt")
        reply = transitions.submitted(sending, "v", "IN_QUEUE", poll_in=1)
        assert session.writes.advance_until_written(sending, reply) == LostRace()
        assert isinstance(session.writes.advance_until_written(ledger.jobs.get("a"), reply), Job)  # deliberately


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


def running(ledger: Ledger, job_id: str = "a") -> Job:
    """A running job, written by another process."""
    opened = ledger.transitions.open(job_id, 1)
    assert opened is not None
    ledger.transitions.line_up(opened.job)
    change = Change(to=State.RUNNING, fields={"vendor_job_id": "v"}, due_in=1, stamps={"run_until": 100})
    advanced = ledger.transitions.advance(ledger.jobs.get(job_id), change)
    assert isinstance(advanced, Advanced)
    return advanced.job


def poll_once(session: JobSession, job: Job, *, poll_in: float = 2.0) -> None:
    with session.lease(job.job_id, job.version) as opened:
        assert opened is not None
        change = transitions.polled(opened.job, "IN_PROGRESS", poll_in=poll_in, count={"polls.instant": 1})
        session.writes.advance_soon(opened.job, change)


def test_a_poll_without_news_is_written_by_the_next_claim_and_the_next_poll_begins_from_it(
    ledger: Ledger, session: JobSession, time: Time
) -> None:
    job = running(ledger)
    poll_once(session, job)
    assert ledger.jobs.get("a") == job
    assert session.claim().messages == ()
    polled = ledger.jobs.get("a")
    assert (polled.version, polled.polls, polled.vendor_status) == (job.version + 1, 1, "IN_PROGRESS")
    assert ledger.stats.counters()["polls.instant"] == 1
    time.pass_(2)
    assert session.claim().messages == (StepMessage(step=Step.POLL, job_id="a", version=job.version + 1, retries=1),)
    ledger.client.hset(f"{ledger.prefix}:job:a", "vendor_status", "only in the ledger")
    with session.lease("a", job.version + 1) as opened:
        assert opened is not None
        assert opened.job.vendor_status == "IN_PROGRESS"


def test_a_poll_is_due_from_when_it_was_made_not_from_when_it_is_written(
    ledger: Ledger, session: JobSession, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.view, "now", time)
    job = running(ledger)
    poll_once(session, job)
    made_at = time()
    time.pass_(1.5)
    session.claim()
    assert ledger.jobs.due_at("a") == made_at + 2000
    assert ledger.jobs.get("a").polled_at == made_at


def test_a_process_that_dies_before_its_claim_has_its_jobs_polled_again(
    ledger: Ledger, session: JobSession, time: Time
) -> None:
    job = running(ledger)
    time.pass_(1)
    [message] = ledger.transitions.claim(ROUTES).messages
    poll_once(session, job)
    time.pass_(15)
    assert ledger.transitions.claim(ROUTES).messages == (message,)


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_claim_that_failed_writes_its_polls_the_next_time_and_once(
    ledger: Ledger, session: JobSession, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    job = running(ledger)
    poll_once(session, job)
    real = ledger.transitions.claim

    def fails(*arguments: Any, **more: Any) -> None:
        if lost == "reply":
            real(*arguments, **more)
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(ledger.transitions, "claim", fails)
        with pytest.raises(LedgerUnavailable):
            session.claim()
    session.claim()
    assert (ledger.jobs.get("a").version, ledger.stats.counters()["polls"]) == (job.version + 1, 1)


def test_a_message_that_comes_twice_polls_once_even_before_the_poll_is_written(
    ledger: Ledger, session: JobSession
) -> None:
    job = running(ledger)
    poll_once(session, job)
    with session.lease("a", job.version) as opened:
        assert opened is None


def test_a_job_that_was_moved_meanwhile_keeps_what_the_other_wrote(ledger: Ledger, session: JobSession) -> None:
    job = running(ledger)
    poll_once(session, job)
    ledger.transitions.advance(job, Change(to=State.FAILED))
    before = ledger.jobs.get("a")
    session.claim()
    assert ledger.jobs.get("a") == before


def test_a_job_that_is_to_be_canceled_is_read_for_its_next_poll(ledger: Ledger, session: JobSession) -> None:
    job = running(ledger)
    poll_once(session, job)
    ledger.transitions.request_cancel(job, Canceling.DROP)
    session.claim()
    with session.lease("a", job.version + 1) as opened:
        assert opened is not None
        assert opened.job.canceling is Canceling.DROP


def test_a_session_that_ends_writes_its_polls_at_once(ledger: Ledger, session: JobSession) -> None:
    job = running(ledger)
    with session.lease("a", job.version) as opened:
        assert opened is not None
        session.drain()
        session.writes.advance_soon(opened.job, transitions.polled(opened.job, "IN_PROGRESS", poll_in=2, count={}))
    assert ledger.jobs.get("a").polls == 1


def test_polls_that_no_claim_will_write_are_written(ledger: Ledger, session: JobSession) -> None:
    job = running(ledger)
    poll_once(session, job)
    session.drain()
    session.write_polls()
    assert ledger.jobs.get("a").polls == 1


def test_a_process_that_may_end_without_draining_writes_each_poll_at_once(ledger: Ledger, session: JobSession) -> None:
    session.writes.claims_follow = False
    poll_once(session, running(ledger))
    assert ledger.jobs.get("a").polls == 1


def test_a_job_that_gets_the_slot_of_another_is_submitted_without_being_read(
    ledger: Ledger, session: JobSession
) -> None:
    ledger.limits.configure(Limits(max_in_flight=1))
    with session.lease("a", 1) as opened:
        assert opened is not None
        first = session.writes.line_up(opened.job)
    assert isinstance(first, Job)
    ledger.transitions.claim(ROUTES)
    ledger.intake.accept(new_job("b"))
    with session.lease("a", first.version):
        assert isinstance(session.writes.advance(first, Change(to=State.FAILED)), Job)
    ledger.client.hset(f"{ledger.prefix}:job:b", "vendor_status", "only in the ledger")
    granted = ledger.jobs.get("b")
    with session.lease("b", granted.version) as opened:
        assert opened is not None
        assert opened.job == granted.model_copy(update={"vendor_status": None})


def test_a_webhook_begins_from_what_ended_the_job(ledger: Ledger, session: JobSession) -> None:
    ledger.intake.accept(new_job("hooked", webhook_url="https://shop.example/hook"))
    job = running(ledger, "hooked")
    with session.lease("hooked", job.version):
        ended = session.writes.advance(job, transitions.timed_out(job, "late", rescue_after=15))
    assert isinstance(ended, Job)
    ledger.client.hset(f"{ledger.prefix}:job:hooked", "vendor_status", "only in the ledger")
    with session.lease("hooked", ended.version) as opened:
        assert opened is not None
        assert opened.job == ended
