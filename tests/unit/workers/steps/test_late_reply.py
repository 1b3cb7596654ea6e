"""What comes of a paid call when its job has been moved by another process, or its attempt was forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from support.jobs.fakes import AT, FakeReply, FakeSession, FakeVendor, World, job
from swapline_producer.contract import FailureCode, Job, State
from swapline_producer.contract.answers import LostRace
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Next, Stop
from swapline_workers.settings import AmbiguousSubmit
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change
    from swapline_workers.core.outcomes import Refused


@dataclass
class MovedOn(FakeSession):
    """Others have moved the job while it was being sent: one of `ledger` after the other."""

    ledger: list[Job | None] = field(default_factory=list)

    def reread(self, job: Job, other: str | None = None) -> Job | None:
        assert (job.state, other) == (State.SUBMITTING, None)
        return self.ledger[0]

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        last = self.ledger[-1]
        if last is None or (job.state, job.version) != (last.state, last.version):
            self.ledger = self.ledger[1:] if len(self.ledger) > 1 else self.ledger
            return LostRace()
        return super().advance_until_written(job, change)


def sent(*ledger: Job | None) -> Next | Stop:
    world = World(session=MovedOn(ledger=list(ledger)), vendor=FakeVendor(submission=FakeReply("late-1")))
    outcome = submit(job(State.SUBMITTING), AT, world.ports)  # this becomes attempt 1
    assert isinstance(outcome, Next | Stop)
    return outcome


@pytest.mark.parametrize(
    "found",
    [
        job(State.HELD, attempts=1, version=9),
        job(State.QUEUED, attempts=1, version=9),  # put back into the line by the policy, or by a person
        job(State.SUBMITTING, attempts=1, version=10),  # and given a slot again, but not sent yet
        job(State.QUEUED, attempts=0, version=1),  # the ledger has lost its last writes
        job(State.SUBMITTING, attempts=0, version=2),
    ],
    ids=["held", "back in line", "about to be sent", "forgotten", "forgotten after the slot"],
)
def test_it_is_written_where_nobody_has_sent_the_job_since(found: Job) -> None:
    outcome = sent(found)
    assert isinstance(outcome, Next)
    assert (outcome.job.state, outcome.job.vendor_job_id, outcome.job.attempts) == (State.RUNNING, "late-1", 1)


def test_a_webhook_that_is_delivered_meanwhile_does_not_lose_it() -> None:
    outcome = sent(*(job(State.HELD, attempts=1, version=version) for version in (9, 10, 11)))
    assert isinstance(outcome, Next)


@pytest.mark.parametrize(
    "found",
    [
        job(State.RUNNING, attempts=2, version=12),
        job(State.SUBMITTING, attempts=2, version=11),
        job(State.FAILED, attempts=1),
        None,
    ],
    ids=["running under another id", "being sent again", "given up", "purged, or accepted in the second that was lost"],
)
def test_it_is_only_named_where_the_job_has_gone_another_way(found: Job | None) -> None:
    assert sent(found) == Stop("the vendor's id late-1 came too late: the job has moved on, or is gone")


@pytest.mark.parametrize("state", [State.RUNNING, State.STORING, State.SUCCEEDED, State.HELD])
def test_one_that_an_earlier_try_has_written_is_not_called_lost(state: State) -> None:
    """The reply to that try was lost, and others have moved the job since."""
    assert sent(job(state, attempts=1, version=9, vendor_job_id="late-1")) == STALE


def test_the_same_id_at_another_account_is_not_it() -> None:
    found = job(State.RUNNING, attempts=1, version=9, vendor_job_id="late-1", account="east")
    assert sent(found) == Stop("the vendor's id late-1 came too late: the job has moved on, or is gone")


def left_unknown(found: Job | None, policy: AmbiguousSubmit = AmbiguousSubmit.HOLD) -> World:
    """Lose the reply of attempt 1, and find the job so."""
    vendor = FakeVendor(submission=errors.Unclear("cut"))
    world = World(session=MovedOn(ledger=[found]), vendor=vendor, on_ambiguous=policy)
    submit(job(State.SUBMITTING), AT, world.ports)
    return world


FORGOTTEN = [job(State.QUEUED, attempts=0, version=1), job(State.SUBMITTING, attempts=0, version=2, account="east")]


@pytest.mark.parametrize("found", FORGOTTEN, ids=["in line", "given a slot of another account"])
@pytest.mark.parametrize(("policy", "to"), [(AmbiguousSubmit.HOLD, State.HELD), (AmbiguousSubmit.FAIL, State.FAILED)])
def test_an_unknown_call_whose_attempt_the_ledger_has_lost_is_not_paid_again(
    found: Job, policy: AmbiguousSubmit, to: State
) -> None:
    [change] = left_unknown(found, policy).session.changes[1:]
    assert (change.to, change.fields["failure_code"]) == (to, FailureCode.SUBMIT_UNKNOWN)
    assert (change.fields["attempts"], change.fields["run_until"]) == (1, AT + found.run_timeout_ms)
    assert change.fields.get("account", found.account) == "default"


def test_a_policy_that_pays_again_needs_no_write_where_the_attempt_is_lost() -> None:
    assert len(left_unknown(FORGOTTEN[0], AmbiguousSubmit.RETRY).session.changes) == 1


@pytest.mark.parametrize(
    "found",
    [
        job(State.SUBMITTING, attempts=1, attempt_open=True, version=9),
        job(State.HELD, attempts=1, version=4),
        job(State.RUNNING, attempts=0, version=3),
        None,
    ],
    ids=["being sent again", "held by its rescue", "running", "gone"],
)
def test_an_unknown_call_changes_no_job_of_which_the_ledger_knows_more(found: Job | None) -> None:
    assert len(left_unknown(found).session.changes) == 1
