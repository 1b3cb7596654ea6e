"""The four tasks: lease the job, run the step, send what it decided."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from celery.exceptions import Retry as CeleryRetry

from swapline_producer.contract import State, Step, is_batch
from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_workers.core.outcomes import STALE, Again, Next, Outcome, Park, Retry, Stop
from swapline_workers.steps.finalize import finalize
from swapline_workers.steps.notify import notify, notify_batch
from swapline_workers.steps.poll import poll
from swapline_workers.steps.submit import submit
from swapline_workers.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from swapline_producer.contract import Job
    from swapline_workers.runtime.services import WorkerServices
    from swapline_workers.steps.ports import Ports

    StepFunction = Callable[[Job, int, Ports], Outcome]

log = logging.getLogger(__name__)

STEPS: dict[Step, StepFunction] = {
    Step.SUBMIT: submit,
    Step.POLL: poll,
    Step.FINALIZE: finalize,
    Step.NOTIFY: notify,
}

LOGGED_ELSEWHERE = frozenset({State.FAILED, State.EXPIRED, State.TIMED_OUT})
"""With their cause, by `telemetry/change_log.py`."""


def register(app: Celery, services: Callable[[], WorkerServices]) -> None:
    """Add the tasks; `services` is called in the process that runs them."""
    options: dict[str, Any] = {
        "ignore_result": True,
        "shared": False,  # else every other Celery app of the process would get them as well
        "Request": "swapline_workers.dispatch.request:StepRequest",
    }
    for step in Step:
        add: Any = app.task(name=step.task, **options)
        add(_task(step, services))


def _task(step: Step, services: Callable[[], WorkerServices]) -> Callable[[str, int], str]:
    def run(job_id: str, version: int) -> str:
        built = services()
        return translate(perform(step, built, job_id, version), built.session.dispatch)

    run.__name__ = run.__qualname__ = step.value
    return run


def perform(step: Step, built: WorkerServices, job_id: str, version: int) -> Outcome:
    """Run one step at a version, and log its outcome.

    Raises celery.exceptions.Retry where the ledger is away or refuses this worker.
    """
    context.begin(step, job_id, version)
    started = time.monotonic()
    with built.meter.step(step) as measure:
        try:
            built.admission.check()
            outcome = _run_batch(built, job_id, version) if is_batch(job_id) else _run_job(step, built, job_id, version)
        except LedgerUnavailable as error:
            measure.outcome = "ledger_away"
            log.warning("rescued later: %s", error)
            raise CeleryRetry(f"rescued later: {error}") from None
        except WrongOwner as error:
            measure.outcome = "refused"
            raise CeleryRetry(f"not started: {error}") from None
        measure.decided(outcome)
    log_outcome(outcome, time.monotonic() - started)
    return outcome


def _run_job(step: Step, built: WorkerServices, job_id: str, version: int) -> Outcome:
    with (
        built.session.lease(job_id, version) as opened,
        built.tracing.step(step, opened.job if opened else None),
    ):
        return STEPS[step](opened.job, opened.at, built.ports) if opened else STALE


def _run_batch(built: WorkerServices, record_id: str, version: int) -> Outcome:
    with built.session.lease_batch(record_id, version) as opened:
        return notify_batch(opened.batch, built.ports) if opened else STALE


def log_outcome(outcome: Outcome, seconds: float) -> None:
    """Log one line for each step; at DEBUG where nothing changed."""
    more = {"outcome": type(outcome).__name__.lower(), "seconds": round(seconds, 3)}
    match outcome:
        case Next(job, step, wait):
            state = f"{job.state} ({job.failure_code})" if job.failure_code else job.state
            log.info("%s, then %s%s", state, step, f" in {wait:.3g} s" if wait else "", extra=more)
        case Again(wait, reason):
            log.debug("%s; again in %.3g s", reason, wait, extra=more)
        case Retry(wait, reason):
            log.warning("%s; again in %.3g s", reason, wait, extra=more)
        case Park(reason):
            log.info("%s", reason, extra=more)
        case Stop(reason):
            known = outcome is STALE or reason in LOGGED_ELSEWHERE
            log.log(logging.DEBUG if known else logging.INFO, "%s", reason, extra=more)


class Sender(Protocol):
    """The part of the job session that `translate` needs."""

    def send(self, step: Step, job: Job) -> None:
        """Send a job on to its next step."""


def translate(outcome: Outcome, dispatch: Sender) -> str:
    """Turn a decision into Celery's SUCCESS with a text, or RETRY.

    Raises celery.exceptions.Retry, which sends nothing: the due dispatcher does.
    """
    if isinstance(outcome, Next) and outcome.wait == 0:
        dispatch.send(outcome.step, outcome.job)
    if isinstance(outcome, Again | Retry):
        raise CeleryRetry(as_text(outcome))
    return as_text(outcome)


def as_text(outcome: Outcome) -> str:
    """Return what Celery and Flower show of a decision."""
    match outcome:
        case Next(_, step, _):
            return f"next: {step}"
        case Again(wait, reason) | Retry(wait, reason):
            return f"in {wait:.3g} s: {reason}"
        case Park(reason) | Stop(reason):
            return reason
    assert_never(outcome)
