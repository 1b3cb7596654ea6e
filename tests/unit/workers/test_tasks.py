from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from celery.exceptions import Retry as CeleryRetry

from support.jobs.fakes import job
from swapline_producer.contract import Job, State, Step
from swapline_workers.core.outcomes import STALE, Again, Next, Park, Retry, Stop
from swapline_workers.tasks import translate


@dataclass
class SendingSession:
    """Keeps the messages sent."""

    sent: list[tuple[Step, Job]] = field(default_factory=list)

    def send(self, step: Step, job: Job) -> None:
        self.sent.append((step, job))


def test_the_next_step_is_sent_now() -> None:
    session, stored = SendingSession(), job(State.STORING)
    assert translate(Next(stored, Step.FINALIZE), session) == "next: finalize"
    assert session.sent == [(Step.FINALIZE, stored)]


def test_a_next_step_that_waits_is_left_to_the_due_dispatcher() -> None:
    session = SendingSession()
    assert translate(Next(job(State.RUNNING), Step.POLL, wait=0.25), session) == "next: poll"
    assert session.sent == []


@pytest.mark.parametrize("outcome", [Again(0.25, "IN_PROGRESS"), Retry(0.25, "IN_PROGRESS")])
def test_polling_again_ends_in_celerys_retry_state_and_sends_nothing(outcome: Again | Retry) -> None:
    session = SendingSession()
    with pytest.raises(CeleryRetry, match=r"in 0.25 s: IN_PROGRESS") as caught:
        translate(outcome, session)
    assert (session.sent, caught.value.when) == ([], None)


@pytest.mark.parametrize("outcome", [Park("waits"), Stop("done"), STALE])
def test_what_needs_nothing_more_ends_well(outcome: Park | Stop) -> None:
    assert translate(outcome, SendingSession()) == outcome.reason
