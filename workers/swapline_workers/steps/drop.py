"""The end of a job whose result is not wanted any more: nothing of it stays in object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Canceling, FailureCode, Job, State
from swapline_workers.steps.finish import fail

if TYPE_CHECKING:
    from swapline_workers.core.outcomes import Outcome
    from swapline_workers.steps.ports import Ports


def not_wanted(job: Job) -> bool:
    """Whether the vendor has delivered what is to be dropped."""
    return job.state is State.STORING and job.canceling is Canceling.DROP


def drop(job: Job, ports: Ports) -> Outcome:
    """Delete what was staged and stored, and end the job."""
    ports.pictures.discard(job)
    return fail(job, ports, FailureCode.CANCELED, "canceled; its result was dropped", to=State.CANCELED)
