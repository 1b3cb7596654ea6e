"""The four tasks: take the job in hand, run the step, send what it decided. Nothing else is decided here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol, assert_never

from celery.exceptions import Retry as CeleryRetry

from swapline_producer.contract import Step, is_batch
from swapline_producer.errors import LedgerUnavailable
from swapline_workers.core.outcomes import STALE, Again, Next, Outcome, Park, Retry, Stop
from swapline_workers.steps.finalize import finalize
from swapline_workers.steps.notify import announce, notify
from swapline_workers.steps.poll import poll
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from swapline_producer.contract import Job
    from swapline_workers.bootstrap import House
    from swapline_workers.steps.ports import Ports

    StepFunction = Callable[[Job, int, Ports], Outcome]

log = logging.getLogger(__name__)

STEPS: dict[Step, StepFunction] = {
    Step.SUBMIT: submit,
    Step.POLL: poll,
    Step.FINALIZE: finalize,
    Step.NOTIFY: notify,
}


def register(app: Celery, house: Callable[[], House]) -> None:
    """Give the app its four tasks; `house` is asked for on first use, in the process that runs them."""
    for step in Step:
        app.task(name=step.task, ignore_result=True)(_task(step, house))


def _task(step: Step, house: Callable[[], House]) -> Callable[[str, int], str]:
    def run(job_id: str, turn: int) -> str:
        built = house()
        try:
            outcome = _announced(built, job_id, turn) if is_batch(job_id) else _stepped(step, built, job_id, turn)
        except LedgerUnavailable as error:
            raise CeleryRetry(f"rescued later: {error}") from None
        return translate(outcome, built.desk)

    run.__name__ = run.__qualname__ = step.value
    return run


def _stepped(step: Step, built: House, job_id: str, turn: int) -> Outcome:
    with built.desk.in_hand(job_id, turn) as opened:
        return STEPS[step](opened.job, opened.at, built.ports) if opened else STALE


def _announced(built: House, record_id: str, turn: int) -> Outcome:
    """A batch has one step: its webhook."""
    with built.desk.batch_in_hand(record_id, turn) as opened:
        return announce(opened.batch, built.ports) if opened else STALE


class Sender(Protocol):
    """What `translate` needs of the desk."""

    def send(self, step: Step, job: Job) -> None:
        """Send a job on to its next step."""


def translate(outcome: Outcome, desk: Sender) -> str:
    """Turn a decision into what Celery shows: SUCCESS with a word, or RETRY where the clock will send it again.

    Raises celery.exceptions.Retry, which sends nothing by itself.
    """
    match outcome:
        case Next(job, step, wait):
            if wait == 0:
                desk.send(step, job)
            return f"next: {step}"
        case Again(wait, reason) | Retry(wait, reason):
            raise CeleryRetry(f"in {wait:.3g} s: {reason}")
        case Park(reason) | Stop(reason):
            return reason
    assert_never(outcome)
