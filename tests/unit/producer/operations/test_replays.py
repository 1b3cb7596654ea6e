"""From each state and step: what moves, or one sentence that says what else there is."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.fakes import job as a_job
from swapline_producer.contract import FailureCode, Job, State, Step
from swapline_producer.contract.transitions import allows
from swapline_producer.contract.transitions.decisions import SUBMISSION_FIELDS
from swapline_producer.errors import NotPossible
from swapline_producer.operations import replays

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change


def planned(job: Job, step: Step) -> Change:
    if step is Step.SUBMIT:
        return replays.from_submit(job, accept_charge=True)
    return replays.from_notify(job) if step is Step.NOTIFY else replays.from_vendor(job, step)


def outcome(job: Job, step: Step) -> tuple[Change | None, str]:
    try:
        return planned(job, step), ""
    except NotPossible as error:
        return None, str(error)


def in_state(state: State, **fields: Any) -> Job:
    return a_job(state, **fields)


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)))
@pytest.mark.parametrize("known", [True, False], ids=["at the vendor", "never there"])
def test_every_replay_is_a_move_of_the_table_or_one_clear_sentence(state: State, step: Step, known: bool) -> None:
    at_the_vendor = known and state is not State.EXPIRED  # which only a job becomes that was never sent
    job = in_state(state, vendor_job_id="job-1" if at_the_vendor else None)
    change, refusal = outcome(job, step)
    if change is None:
        assert re.fullmatch(r"Job \S+ (is|has) [^.]+[;,] [^.]+\.", refusal)
        return
    assert allows(state, change.to)
    assert change.fields["replayed"] == step.value
    assert change.due_in == 0 or change.due_by == "queue_until"


@pytest.mark.parametrize("state", [State.FAILED, State.TIMED_OUT, State.EXPIRED, State.CANCELED, State.HELD])
def test_nothing_is_paid_without_a_persons_word(state: State) -> None:
    with pytest.raises(NotPossible, match="--accept-charge"):
        replays.from_submit(in_state(state), accept_charge=False)


def test_a_job_whose_key_was_given_to_another_is_not_paid_again() -> None:
    with pytest.raises(NotPossible, match="job superseded_by, which was made in its place"):
        replays.from_submit(in_state(State.FAILED), accept_charge=True, superseded_by="superseded_by")


def test_what_is_sent_again_keeps_its_credits_and_attempts_and_nothing_of_its_submission() -> None:
    job = in_state(State.TIMED_OUT, vendor_job_id="job-1", attempts=1, credits=2, polls=9, run_until=5, slot=False)
    change = planned(job, Step.SUBMIT)
    assert change.fields.keys() & {"credits", "attempts"} == set()
    assert {change.fields.get(name, "unset") for name in SUBMISSION_FIELDS} == {None}
    assert change.data["polls"] == 9
    assert change.in_line


def test_what_was_stored_and_is_lost_can_be_read_again_and_what_is_there_need_not() -> None:
    job = in_state(State.SUCCEEDED, vendor_job_id="job-1")
    for step in (Step.POLL, Step.FINALIZE):
        change = replays.from_vendor(job, step, stored=False)
        assert (change.to, change.stamps) == (State.STORING, {"storing_since": 0, "run_until": 60})
        with pytest.raises(NotPossible, match="in object storage"):
            replays.from_vendor(job, step, stored=True)


def test_the_story_says_what_the_job_was() -> None:
    job = in_state(State.FAILED, vendor_job_id="job-1", failure_code=FailureCode.LOST)
    assert planned(job, Step.POLL).data == {"from": "poll", "was": "FAILED", "code": "LOST"}


def test_steps_that_a_job_was_replayed_from_are_remembered_together() -> None:
    job = in_state(State.FAILED, vendor_job_id="job-1", replayed="submit")
    change = planned(job, Step.POLL)
    assert change.fields["replayed"] == "poll,submit"
    assert job.replayed_from == ("submit",)
