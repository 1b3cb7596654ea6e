from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.jobs.fakes import AT, FakePictures, FakeReply, FakeSession, FakeVendor, World, job
from swapline_producer.contract import FailureCode, Job, Notification, State, Step
from swapline_producer.contract.answers import LostRace
from swapline_producer.errors import LedgerUnavailable, ObjectMissing, StorageUnavailable, VendorIdInUse
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Next, Park, Refused, Stop
from swapline_workers.settings import AmbiguousSubmit
from swapline_workers.steps.submit import WITHOUT_PICTURE, submit

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change


def test_a_queued_job_without_a_free_slot_parks_and_spends_nothing() -> None:
    world = World(session=FakeSession(slot_free=False))
    assert isinstance(submit(job(), AT, world.ports), Park)
    assert world.vendor.submitted == []


def test_a_job_that_waited_too_long_expires_uncharged() -> None:
    world = World()
    assert submit(job(queue_until=AT), AT, world.ports) == Stop("EXPIRED")
    assert world.session.last.fields["failure_code"] == FailureCode.QUEUE_TTL
    assert world.vendor.submitted == []


def test_the_attempt_is_written_before_the_paid_call_and_the_id_right_after() -> None:
    world = World()
    outcome = submit(job(), AT, world.ports)
    attempt, accepted = world.session.changes
    assert (attempt.to, attempt.fields) == (State.SUBMITTING, {"attempts": 1, "attempt_open": True})
    assert (accepted.to, accepted.fields["vendor_job_id"], accepted.fields["credits"]) == (
        State.RUNNING,
        "job-abc-123",
        2,
    )
    assert isinstance(outcome, Next)
    assert (outcome.step, outcome.wait) == (Step.POLL, 0.25)


def test_no_call_is_made_when_somebody_else_wrote_the_attempt() -> None:
    world = World(session=FakeSession(stale_after=0))
    assert submit(job(State.SUBMITTING), AT, world.ports) == STALE
    assert world.vendor.submitted == []


def test_an_open_attempt_found_again_is_never_sent_again_by_itself() -> None:
    world = World()
    outcome = submit(job(State.SUBMITTING, attempts=1, attempt_open=True), AT, world.ports)
    assert isinstance(outcome, Stop)
    assert world.session.last.to is State.HELD
    assert world.vendor.submitted == []


@pytest.mark.parametrize(
    "error",
    [
        errors.NotSent("no route"),
        errors.Throttled("slow down"),
        errors.Unauthorized("bad key"),
        errors.OutOfCredits("no credits"),
        errors.NotFound("no such path"),
    ],
)
def test_what_provably_did_not_run_goes_back_in_line_and_stops_the_line(error: errors.VendorError) -> None:
    world = World(vendor=FakeVendor(submission=error))
    assert isinstance(submit(job(State.SUBMITTING), AT, world.ports), Park)
    change = world.session.last
    assert (change.to, change.in_line, change.due_by) == (State.QUEUED, True, "queue_until")
    assert change.trip is not None
    assert change.fields == {"attempt_open": False}


class AwayAfterTheCall(FakeSession):
    """The ledger takes the attempt, and nothing that is offered once only after it."""

    def advance(self, job: Job, change: Change) -> Job | Refused:
        if self.changes:
            raise LedgerUnavailable("away")
        return super().advance(job, change)

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        return super().advance(job, change)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (errors.NotSent("no route"), State.QUEUED),
        (errors.Throttled("slow down"), State.QUEUED),
        (errors.Refused("no such filter", code=FailureCode.FILTER_NOT_FOUND), State.FAILED),
        (errors.Unclear("cut"), State.HELD),
    ],
)
def test_what_became_of_a_call_is_offered_until_the_ledger_takes_it(error: errors.VendorError, state: State) -> None:
    """This worker alone knows it: a rescue would find an open attempt, and hold the job."""
    world = World(session=AwayAfterTheCall(), vendor=FakeVendor(submission=error))
    submit(job(State.SUBMITTING), AT, world.ports)
    assert world.session.last.to is state


@pytest.mark.parametrize("policy", AmbiguousSubmit)
def test_an_accepted_call_whose_id_cannot_be_used_is_held_whatever_the_policy(policy: AmbiguousSubmit) -> None:
    unusable = errors.Unclear("its id is too long", evidence={"body": "{"}, code=FailureCode.VENDOR_ID_INVALID)
    world = World(vendor=FakeVendor(submission=unusable), on_ambiguous=policy)
    submit(job(State.SUBMITTING), AT, world.ports)
    held = world.session.last
    assert (held.to, held.fields["failure_code"]) == (State.HELD, FailureCode.VENDOR_ID_INVALID)
    assert held.data == {"reason": "its id is too long", "attempt": 1, "body": "{"}


class SharedIdSession(FakeSession):
    """A ledger in which another job has the vendor's id."""

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        if change.to is State.RUNNING:
            raise VendorIdInUse("v-1", job.job_id, "other")
        return super().advance_until_written(job, change)


@pytest.mark.parametrize("state", [State.RUNNING, State.STORING])
@pytest.mark.parametrize(("written", "is_held"), [(-1, False), (0, True), (1, True)])
def test_the_job_with_the_same_id_is_held_too_where_both_calls_were_under_way(
    state: State, written: int, *, is_held: bool
) -> None:
    """`written`: milliseconds from the attempt to the moment when the other job got the id."""
    other = job(state, job_id="other", submitted_at=AT + written, vendor_job_id="v-1", slot=state is State.RUNNING)
    world = World(session=SharedIdSession(found=other))
    submit(job(State.SUBMITTING), AT, world.ports)
    _attempt, *changes = world.session.changes
    assert [change.to for change in changes] == [State.HELD] * (2 if is_held else 1)
    assert {change.fields["failure_code"] for change in changes} == {FailureCode.VENDOR_ID_IN_USE}


@pytest.mark.parametrize("state", [state for state in State if state not in WITHOUT_PICTURE])
def test_a_job_with_the_same_id_that_has_ended_is_left_as_it_is(state: State) -> None:
    world = World(session=SharedIdSession(found=job(state, job_id="other", submitted_at=AT + 1)))
    submit(job(State.SUBMITTING), AT, world.ports)
    assert len(world.session.changes) == 2


def test_only_429_makes_the_account_use_fewer_slots_and_its_retry_after_is_the_wait() -> None:
    world = World(vendor=FakeVendor(submission=errors.Throttled("slow down", retry_after=30)))
    submit(job(State.SUBMITTING), AT, world.ports)
    trip = world.session.last.trip
    assert trip is not None
    assert (trip.shrink, trip.wait) == (True, 30)


@pytest.mark.parametrize(
    ("policy", "state"),
    [
        (AmbiguousSubmit.HOLD, State.HELD),
        (AmbiguousSubmit.RETRY, State.QUEUED),
        (AmbiguousSubmit.FAIL, State.FAILED),
    ],
)
def test_an_unknown_reply_is_settled_by_the_policy(policy: AmbiguousSubmit, state: State) -> None:
    world = World(vendor=FakeVendor(submission=errors.Unclear("cut", evidence={"status": 504})), on_ambiguous=policy)
    submit(job(State.SUBMITTING), AT, world.ports)
    assert world.session.last.to is state


def test_a_held_job_keeps_its_evidence_and_tells_the_customer() -> None:
    world = World(vendor=FakeVendor(submission=errors.Unclear("cut", evidence={"status": 504})))
    outcome = submit(job(State.SUBMITTING, webhook_url="https://example.com/hook"), AT, world.ports)
    change = world.session.last
    assert change.data == {"reason": "cut", "attempt": 1, "status": 504}
    assert change.fields["notification"] is Notification.PENDING
    assert isinstance(outcome, Next)
    assert outcome.step is Step.NOTIFY


def test_a_reply_that_comes_after_the_job_was_held_still_counts() -> None:
    held = job(State.HELD, attempts=1, version=9)

    class OvertakenSession(FakeSession):
        def advance_until_written(self, job, change):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            return LostRace() if job.state is State.SUBMITTING else super().advance_until_written(job, change)

    world = World(session=OvertakenSession(found=held), vendor=FakeVendor(submission=FakeReply("late-1")))
    outcome = submit(job(State.SUBMITTING), AT, world.ports)
    assert isinstance(outcome, Next)
    assert (outcome.job.state, outcome.job.vendor_job_id) == (State.RUNNING, "late-1")


def test_a_refusal_fails_the_job_under_the_vendors_code_uncharged() -> None:
    refusal = errors.Refused("no such filter", code=FailureCode.FILTER_NOT_FOUND)
    world = World(vendor=FakeVendor(submission=refusal))
    assert submit(job(State.SUBMITTING), AT, world.ports) == Stop("FAILED")
    assert world.session.last.fields["failure_code"] == FailureCode.FILTER_NOT_FOUND
    assert "credits" not in world.session.last.fields


def test_a_store_that_is_away_keeps_the_job_and_spends_nothing() -> None:
    world = World(pictures=FakePictures(broken=StorageUnavailable("away")))
    assert isinstance(submit(job(), AT, world.ports), Park)
    assert world.vendor.submitted == []
    assert world.session.last.to is State.QUEUED


def test_an_input_that_is_gone_fails_the_job_and_spends_nothing() -> None:
    world = World(pictures=FakePictures(broken=ObjectMissing("gone")))
    assert submit(job(), AT, world.ports) == Stop("FAILED")
    assert world.vendor.submitted == []
    assert world.session.last.fields["failure_code"] == FailureCode.STORAGE_FAILED


@pytest.mark.parametrize("state", [State.RUNNING, State.HELD, State.STORING, State.SUCCEEDED])
def test_nothing_is_submitted_in_any_other_state(state: State) -> None:
    world = World()
    assert isinstance(submit(job(state), AT, world.ports), Stop)
    assert (world.vendor.submitted, world.session.changes) == ([], [])
