from __future__ import annotations

import pytest

from support.jobs.fakes import AT, FakeSession, FakeStatusReply, FakeVendor, World, job
from support.pictures.pngs import grey_png
from swapline_producer.contract import FailureCode, State, Step
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Again, Next, Retry, Stop
from swapline_workers.steps.poll import poll


def seeing(reply: FakeStatusReply | Exception, **parts: object) -> World:
    return World(vendor=FakeVendor(seen=reply), **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS"])
def test_a_status_that_is_not_terminal_moves_the_due_entry(status: str) -> None:
    world = seeing(FakeStatusReply(status))
    outcome = poll(job(State.RUNNING), AT, world.ports)
    assert isinstance(outcome, Again)
    assert (world.session.last.due_in, world.session.last.due_by) == (outcome.wait, "run_until")
    assert world.session.last.fields["polls"] == 1


def test_an_unknown_status_is_not_terminal_and_is_kept_and_counted() -> None:
    world = seeing(FakeStatusReply("WARMING_UP"))
    assert isinstance(poll(job(State.RUNNING), AT, world.ports), Again)
    assert world.session.last.fields["vendor_status"] == "WARMING_UP"
    assert world.session.last.count["unknown_status"] == 1


def test_a_held_call_paces_itself() -> None:
    world = seeing(FakeStatusReply("IN_PROGRESS", answered_after=25.0))
    assert poll(job(State.RUNNING, polls=40), AT, world.ports) == Again(0.25, "the vendor says IN_PROGRESS")


@pytest.mark.parametrize(
    "error",
    [
        errors.Unclear("cut"),
        errors.NotSent("no route"),
        errors.Throttled("slow"),
        errors.Unauthorized("key"),
        errors.OutOfCredits("none"),
        errors.NotFound("not yet"),
    ],
)
def test_no_answer_is_no_news_and_never_a_failure(error: errors.VendorError) -> None:
    world = seeing(error)
    assert isinstance(poll(job(State.RUNNING), AT, world.ports), Again)
    assert world.session.last.to is State.RUNNING


def test_a_reply_about_another_job_is_no_news_and_is_counted() -> None:
    world = seeing(errors.MisdirectedReply("it names 'job-2'"))
    poll(job(State.RUNNING), AT, world.ports)
    assert world.session.last.to is State.RUNNING
    assert world.session.last.count["polls.misdirected"] == 1


def test_pictures_that_turn_out_to_be_another_jobs_are_not_kept() -> None:
    world = seeing(FakeStatusReply("COMPLETED", errors.MisdirectedReply("it names 'job-2'")))
    assert isinstance(poll(job(State.RUNNING), AT, world.ports), Retry)
    assert world.session.last.count["polls.misdirected"] == 1
    assert not world.memory.has(job(State.STORING, version=8))


@pytest.mark.parametrize("code", [FailureCode.VENDOR_STATUS_INVALID, None])
def test_a_job_that_is_out_of_time_has_the_code_of_its_last_poll(code: FailureCode | None) -> None:
    world = seeing(errors.Unclear("its status is too long", code=code))
    poll(job(State.RUNNING, run_until=AT), AT, world.ports)
    assert world.session.last.to is State.TIMED_OUT
    assert world.session.last.fields["failure_code"] == (code or FailureCode.RUN_TIMEOUT)


def test_a_refused_key_stops_submitting_for_everybody() -> None:
    world = seeing(errors.Unauthorized("key"))
    poll(job(State.RUNNING), AT, world.ports)
    assert world.session.last.trip is not None


def test_429_waits_as_long_as_the_vendor_wants() -> None:
    world = seeing(errors.Throttled("slow", retry_after=17))
    assert poll(job(State.RUNNING), AT, world.ports) == Again(17, "slow")


def test_a_404_is_tolerated_in_the_grace_period_however_often() -> None:
    world = seeing(errors.NotFound("unknown"))
    young = job(State.RUNNING, not_found=50, submitted_at=AT - 59_000)
    assert isinstance(poll(young, AT, world.ports), Again)


def test_a_404_after_the_grace_period_is_lost_only_the_third_time_in_a_row() -> None:
    world = seeing(errors.NotFound("unknown"))
    old = AT - 61_000
    assert isinstance(poll(job(State.RUNNING, not_found=1, submitted_at=old), AT, world.ports), Again)
    assert poll(job(State.RUNNING, not_found=2, submitted_at=old), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == FailureCode.LOST


def test_a_job_past_its_run_timeout_ends_with_the_slot_free() -> None:
    world = seeing(FakeStatusReply("IN_PROGRESS"))
    assert poll(job(State.RUNNING, run_until=AT), AT, world.ports) == Stop("TIMED_OUT")
    assert world.session.last.fields["failure_code"] == FailureCode.RUN_TIMEOUT


def test_a_job_past_its_run_timeout_that_has_completed_is_collected() -> None:
    world = seeing(FakeStatusReply("COMPLETED", [grey_png()]))
    assert isinstance(poll(job(State.RUNNING, run_until=AT), AT, world.ports), Next)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (None, FailureCode.VENDOR_FAILED),
        ("some words", FailureCode.VENDOR_FAILED),
        ("FILTER_BLOCKED", FailureCode.FILTER_BLOCKED),
    ],
)
def test_failed_fails_the_job_under_the_vendors_code(failure: str | None, code: FailureCode) -> None:
    world = seeing(FakeStatusReply("FAILED", failure=failure))
    assert poll(job(State.RUNNING), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == code


def test_the_slot_is_passed_on_before_the_pictures_are_read() -> None:
    session = FakeSession()

    class WatchingStatusReply(FakeStatusReply):
        def pictures(self) -> list[bytes]:
            assert [change.to for change in session.changes] == [State.STORING]
            return super().pictures()

    world = World(session=session, vendor=FakeVendor(seen=WatchingStatusReply("COMPLETED", [grey_png()])))
    outcome = poll(job(State.RUNNING), AT, world.ports)
    assert isinstance(outcome, Next)
    assert (outcome.step, outcome.job.version) == (Step.FINALIZE, 8)  # one move
    assert world.memory.has(outcome.job)
    assert world.pictures.objects == {}


def test_a_worker_that_does_not_store_leaves_the_pictures_unread_for_one_that_does() -> None:
    world = seeing(FakeStatusReply("COMPLETED", AssertionError("must not be read")))
    world.memory.used = False
    outcome = poll(job(State.RUNNING), AT, world.ports)
    assert isinstance(outcome, Next)
    assert (outcome.step, outcome.job.state) == (Step.FINALIZE, State.STORING)


@pytest.mark.parametrize("error", [errors.Unclear("cut"), errors.OutputMissing("none"), errors.OutputInvalid("half")])
def test_pictures_that_cannot_be_read_are_read_again_by_finalize_and_the_poll_counts_once(error: Exception) -> None:
    world = seeing(FakeStatusReply("COMPLETED", error))
    assert poll(job(State.RUNNING), AT, world.ports) == Retry(1.0, str(error))
    assert [change.count.get("polls", 0) for change in world.session.changes] == [1, 0]
    assert world.session.last.fields.get("bad_outputs", 0) == int(not isinstance(error, errors.Unclear))


def test_a_stale_poll_leaves_the_pictures_alone() -> None:
    world = seeing(FakeStatusReply("COMPLETED", AssertionError("must not be read")), session=FakeSession(stale_after=0))
    assert poll(job(State.RUNNING), AT, world.ports) == STALE


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTING, State.HELD, State.STORING, State.SUCCEEDED])
def test_nothing_is_polled_in_any_other_state(state: State) -> None:
    world = seeing(AssertionError("must not be called"))
    assert isinstance(poll(job(state), AT, world.ports), Stop)
