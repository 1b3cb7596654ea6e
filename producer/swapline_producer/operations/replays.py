"""Rules of replay.

A job that the vendor has is polled in STORING, without a slot: most are done. See decision 0022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import CREDITS_PER_JOB, Job, State, Step, transitions
from swapline_producer.contract.jobs.replay_facts import ReplayFacts, input_is_gone
from swapline_producer.errors import NotPossible

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change


def refusal(job: ReplayFacts, step: Step, *, superseded_by: str | None = None, stored: bool = False) -> str | None:
    """Say why a job cannot be run again from a step, or None.

    `superseded_by`: the job that has its idempotency key. `stored`: its pictures are in place.
    """
    match step:
        case Step.SUBMIT:
            return _not_from_submit(job, superseded_by)
        case Step.POLL | Step.FINALIZE:
            return _not_from_vendor(job, stored=stored)
        case Step.NOTIFY:
            return _not_from_notify(job)


def _not_from_submit(job: ReplayFacts, superseded_by: str | None) -> str | None:
    name = f"Job {job.job_id}"
    if job.state is State.SUCCEEDED:
        return f"{name} has SUCCEEDED; for another picture, enqueue a new job."
    if not job.state.finished and job.state is not State.HELD:
        return f"{name} is {job.state}, not HELD and not at its end; it goes on by itself."
    if job.state is State.HELD and job.canceling:
        return f"{name} is to be canceled: it ends when its slot is free."
    if superseded_by is not None:
        return f"{name} gave its idempotency key to job {superseded_by}, which was made in its place; look at that."
    return None if job.holds_input else input_is_gone(job.job_id)


def _not_from_vendor(job: ReplayFacts, *, stored: bool) -> str | None:
    name = f"Job {job.job_id}"
    if job.state is State.HELD:
        return f"{name} is HELD and its id at the vendor is not known; `swapline jobs resolve` tells it."
    if job.state in {State.QUEUED, State.SUBMITTING, State.RUNNING}:
        return f"{name} is {job.state}; it goes on by itself, and is polled when it is due."
    if job.vendor_job_id is None:
        return f"{name} is {job.state} and never got an id at the vendor; only --from submit runs it again."
    if stored:
        return f"{name} has SUCCEEDED and its pictures are in object storage; there is nothing to look for."
    return None


def _not_from_notify(job: ReplayFacts) -> str | None:
    if not job.listens:
        return f"Job {job.job_id} is {job.state} and has no webhook_url, so there is nothing to send."
    if not (job.state.finished or job.state is State.HELD):
        return f"Job {job.job_id} is {job.state}; its webhook is sent when it ends."
    return None


def from_submit(job: Job, *, accept_charge: bool, superseded_by: str | None = None) -> Change:
    """Submit a job once more, for a new charge. Raises NotPossible; `superseded_by`: see `refusal`."""
    _check(refusal(ReplayFacts.of(job), Step.SUBMIT, superseded_by=superseded_by))
    if not accept_charge:
        raise NotPossible(_what_it_costs(job))
    return transitions.resubmitted(job)


def from_vendor(job: Job, step: Step, *, stored: bool = False) -> Change:
    """Ask the vendor for the job's id again, free; `step` is POLL or FINALIZE. Raises NotPossible."""
    _check(refusal(ReplayFacts.of(job), step, stored=stored))
    return transitions.polled_again(job, step)


def from_notify(job: Job) -> Change:
    """Notify once more, under the same webhook id. Raises NotPossible."""
    _check(refusal(ReplayFacts.of(job), Step.NOTIFY))
    return transitions.renotified(job)


def _check(problem: str | None) -> None:
    if problem is not None:
        raise NotPossible(problem)


def cost(step: Step) -> int:
    """Return the credits of a replay from a step."""
    return CREDITS_PER_JOB if step is Step.SUBMIT else 0


def _what_it_costs(job: Job) -> str:
    if job.state is State.HELD:
        return (
            f"Job {job.job_id} may be charged a second time: look for it in the vendor's records first (then"
            " `swapline jobs resolve`), or say --accept-charge."
        )
    so_far = f", beside the {job.credits} that it has cost" if job.credits else ""
    free = " Look at the vendor's id again first, which is free: --from poll." if job.vendor_job_id else ""
    return f"Job {job.job_id} would cost {CREDITS_PER_JOB} credits{so_far}: say --accept-charge.{free}"
