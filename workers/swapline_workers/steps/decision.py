"""A step's decision as a value: the change to write, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_producer.contract import Job, Step
from swapline_workers.core.outcomes import Next, Outcome, Stop, not_written

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract.changes import Change
    from swapline_workers.core.outcomes import Refused


@dataclass(frozen=True, slots=True)
class Write:
    """A change of `job`; `then` gets the job as written, `otherwise` why it was not."""

    job: Job
    change: Change
    then: Callable[[Job], Outcome]
    otherwise: Callable[[Refused], Outcome] = not_written


Decision = Write | Outcome


def carry_out(decision: Decision, write: Callable[[Job, Change], Job | Refused]) -> Outcome:
    """Write what was decided; return what follows. Raises LedgerUnavailable."""
    if isinstance(decision, Write):
        written = write(decision.job, decision.change)
        decision = decision.then(written) if isinstance(written, Job) else decision.otherwise(written)
    return decision


def end(job: Job, change: Change) -> Write:
    """End a job. Its webhook follows, if the step sends it."""
    return Write(job, change, lambda ended: Next(ended, Step.NOTIFY) if change.sends else Stop(ended.state.value))
