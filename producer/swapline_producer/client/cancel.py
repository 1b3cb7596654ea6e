"""Cancel a job in any state.

The vendor has no cancel: passing a slot on early would exceed the account's cap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Canceling, Frozen, Job, State, transitions
from swapline_producer.contract.answers import Advanced
from swapline_producer.errors import NotPossible

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher

TRIES = 50
"""Lost races in a row: a job moves some times a second at most."""

UNKNOWN = frozenset({"ambiguous", "held"})
"""Events after which a paid call's outcome was unknown."""


class Cancellation(Frozen):
    """A job that is CANCELED, or will be when the vendor is done. `charged`: None where unknown yet."""

    job: Job
    charged: bool | None

    @property
    def done(self) -> bool:
        """Whether the job has ended; else it ends CANCELED by itself."""
        return self.job.state.finished


def cancel(
    ledger: Ledger, publisher: Publisher, job_id: str, *, keep_result: bool = False, by: str = ""
) -> Cancellation:
    """Cancel a job; repeatable. `by` is noted in its log.

    Raises JobNotFound, NotPossible for a job that has ended otherwise.
    """
    how = Canceling.KEEP if keep_result else Canceling.DROP
    for _ in range(TRIES):
        job = ledger.jobs.get(job_id)
        if job.state.finished:
            return _ended_already(ledger, job)
        if not _at_the_vendor(job):
            held = job.state is State.HELD
            change = transitions.canceled_unsubmitted(job) if held else transitions.canceled_before_submission(job)
            advanced = ledger.transitions.advance(job, transitions.signed(change, by))
            if isinstance(advanced, Advanced):
                publisher.send(advanced.granted)
                return Cancellation(job=advanced.job, charged=_charged(ledger, job))
        elif ledger.transitions.request_cancel(job, how, by):
            return Cancellation(job=job.model_copy(update={"canceling": how}), charged=_charged(ledger, job))
    raise NotPossible(f"Job {job_id} moves too fast to be canceled in this moment; try again.")


def _at_the_vendor(job: Job) -> bool:
    return (
        job.state in {State.RUNNING, State.STORING}
        or (job.state is State.SUBMITTING and job.attempt_open)
        or (job.state is State.HELD and job.slot)
    )


def _ended_already(ledger: Ledger, job: Job) -> Cancellation:
    if job.state is not State.CANCELED:
        raise NotPossible(f"Job {job.job_id} has ended already: it is {job.state}; there is nothing to cancel.")
    return Cancellation(job=job, charged=_charged(ledger, job))


def _charged(ledger: Ledger, job: Job) -> bool | None:
    if job.credits:
        return True
    if not job.attempts:
        return False
    unknown = job.attempt_open or any(event.name in UNKNOWN for event in ledger.jobs.events(job.job_id))
    return None if unknown else False
