"""The vendor's id that comes when its job has been moved by another process: it was paid for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from support.fakes import AT, FakeReply, FakeSession, FakeVendor, World, job
from swapline_producer.contract import Job, State
from swapline_producer.contract.answers import LostRace
from swapline_workers.core.outcomes import Next, Stop
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
        if job is not self.ledger[-1]:
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
