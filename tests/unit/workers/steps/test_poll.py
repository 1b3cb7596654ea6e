from __future__ import annotations

import pytest

from support.fakes import AT, FakePictures, FakeSession, FakeStatusReply, FakeVendor, World, job, png
from swapline_producer.contract import FailureCode, State, Step
from swapline_producer.errors import StorageUnavailable
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Again, Next, Retry, Stop
from swapline_workers.steps.poll import poll


def seeing(look: FakeStatusReply | Exception, **parts: object) -> World:
    return World(vendor=FakeVendor(seen=look), **parts)  # type: ignore[arg-type]


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
    world = seeing(FakeStatusReply("IN_PROGRESS", held=25.0))
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


@pytest.mark.parametrize(
    ("look", "store", "counted"),
    [
        (errors.Unclear("cut"), None, "polls.failed"),
        (FakeStatusReply("COMPLETED", errors.Unclear("cut")), None, "polls.failed"),
        (FakeStatusReply("COMPLETED", errors.OutputInvalid("half")), None, "polls.failed"),
        (FakeStatusReply("COMPLETED", [png()]), StorageUnavailable("full"), "store_retries"),
    ],
)
def test_the_vendors_failures_are_not_counted_as_the_stores(
    look: FakeStatusReply | Exception, store: Exception | None, counted: str
) -> None:
    world = seeing(look, pictures=FakePictures(broken=store))
    assert isinstance(poll(job(State.STORING), AT, world.ports), Retry)
    assert world.session.last.count == {"polls": 1, counted: 1}


@pytest.mark.parametrize("state", [State.RUNNING, State.STORING])
def test_a_reply_about_another_job_is_no_news_and_is_counted(state: State) -> None:
    world = seeing(errors.MisdirectedReply("it names 'job-2'"))
    poll(job(state), AT, world.ports)
    assert world.session.last.to is state
    assert world.session.last.count["polls.misdirected"] == 1


def test_pictures_that_turn_out_to_be_another_jobs_are_not_staged() -> None:
    world = seeing(FakeStatusReply("COMPLETED", errors.MisdirectedReply("it names 'job-2'")))
    assert isinstance(poll(job(State.RUNNING), AT, world.ports), Retry)
    assert world.session.last.count["polls.misdirected"] == 1
    assert world.pictures.objects == {}


@pytest.mark.parametrize("code", [FailureCode.VENDOR_STATUS_INVALID, None])
def test_a_job_that_is_out_of_time_has_the_code_of_its_last_poll(code: FailureCode | None) -> None:
    world = seeing(errors.Unclear("its status is too long", code=code))
    poll(job(State.RUNNING, run_until=AT), AT, world.ports)
    assert world.session.last.to is State.TIMED_OUT
    assert world.session.last.fields["failure_code"] == (code or FailureCode.RUN_TIMEOUT)


def test_too_many_pictures_have_a_code_of_their_own() -> None:
    world = seeing(FakeStatusReply("COMPLETED", errors.TooManyPictures("17 pictures")))
    poll(job(State.STORING, retries=2), AT, world.ports)
    assert world.session.last.fields["failure_code"] == FailureCode.OUTPUT_TOO_MANY


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


def test_a_job_in_storing_that_the_vendor_forgets_is_lost_too() -> None:
    world = seeing(errors.NotFound("unknown"))
    old = AT - 61_000
    first = poll(job(State.STORING, not_found=1, submitted_at=old), AT, world.ports)
    assert (isinstance(first, Retry), world.session.last.fields["not_found"]) == (True, 2)
    assert poll(job(State.STORING, not_found=2, submitted_at=old), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == FailureCode.LOST


def test_a_job_looked_at_again_that_the_vendor_still_works_on_runs_and_has_its_whole_time() -> None:
    world = seeing(FakeStatusReply("IN_PROGRESS"))
    assert isinstance(poll(job(State.STORING, run_until=AT - 1), AT, world.ports), Again)
    change = world.session.last
    assert (change.to, change.due_by, change.stamps["run_until"]) == (State.RUNNING, "run_until", 60)


def test_a_job_that_was_once_completed_takes_no_slot_again() -> None:
    world = seeing(FakeStatusReply("IN_PROGRESS"))
    poll(job(State.STORING, terminal_at=AT - 1), AT, world.ports)
    assert world.session.last.to is State.STORING


def test_a_job_past_its_run_timeout_ends_with_the_slot_free() -> None:
    world = seeing(FakeStatusReply("IN_PROGRESS"))
    assert poll(job(State.RUNNING, run_until=AT), AT, world.ports) == Stop("TIMED_OUT")
    assert world.session.last.fields["failure_code"] == FailureCode.RUN_TIMEOUT


def test_a_job_past_its_run_timeout_that_has_completed_is_collected() -> None:
    world = seeing(FakeStatusReply("COMPLETED", [png()]))
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

    world = World(session=session, vendor=FakeVendor(seen=WatchingStatusReply("COMPLETED", [png()])))
    outcome = poll(job(State.RUNNING), AT, world.ports)
    assert isinstance(outcome, Next)
    assert (outcome.step, outcome.job.staged) == (Step.FINALIZE, 1)
    assert list(world.pictures.objects) == [f"staging/{'0' * 32}/0"]


def test_a_connection_cut_in_the_pictures_is_read_again_for_ever() -> None:
    world = seeing(FakeStatusReply("COMPLETED", errors.Unclear("cut")))
    outcome = poll(job(State.STORING, retries=500), AT, world.ports)
    assert outcome == Retry(60.0, "cut")
    assert world.session.last.to is State.STORING


def test_a_store_that_is_away_never_loses_the_paid_picture() -> None:
    world = seeing(FakeStatusReply("COMPLETED", [png()]), pictures=FakePictures(broken=StorageUnavailable("full")))
    assert isinstance(poll(job(State.STORING, retries=500), AT, world.ports), Retry)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.OutputMissing("no picture"), FailureCode.OUTPUT_MISSING),
        (errors.OutputInvalid("no PNG"), FailureCode.OUTPUT_INVALID),
    ],
)
def test_a_bad_output_is_believed_the_third_time(error: Exception, code: FailureCode) -> None:
    world = seeing(FakeStatusReply("COMPLETED", error))
    assert isinstance(poll(job(State.RUNNING), AT, world.ports), Retry)
    assert isinstance(poll(job(State.STORING, retries=1), AT, world.ports), Retry)
    assert poll(job(State.STORING, retries=2), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == code


def test_a_stale_look_leaves_the_pictures_alone() -> None:
    world = seeing(FakeStatusReply("COMPLETED", AssertionError("must not be read")), session=FakeSession(stale_after=0))
    assert poll(job(State.RUNNING), AT, world.ports) == STALE


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTING, State.HELD, State.SUCCEEDED])
def test_nothing_is_looked_at_in_any_other_state(state: State) -> None:
    world = seeing(AssertionError("must not be called"))
    assert isinstance(poll(job(state), AT, world.ports), Stop)
