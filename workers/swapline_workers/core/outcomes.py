"""A step's outcome, and the answers to its writes. Waiting is not failing: polling again is `Again`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_producer.contract.answers import LostRace

if TYPE_CHECKING:
    from swapline_producer.contract import Job, Step


@dataclass(frozen=True, slots=True)
class Next:
    """The next step follows: now, or in `wait` seconds."""

    job: Job
    step: Step
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Again:
    """Nothing happened yet; this step follows in `wait` seconds."""

    wait: float
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """A try failed; this step, or the one before, follows in `wait` seconds."""

    wait: float
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """The job waits for a slot."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing follows."""

    reason: str


Outcome = Next | Again | Retry | Park | Stop

STALE = Stop("stale: the job has moved on")


@dataclass(frozen=True, slots=True)
class CanceledInstead:
    """Another change was written; `job` is the result."""

    job: Job


Refused = LostRace | CanceledInstead


def not_written(answer: Refused) -> Stop:
    """Return what follows a change that was not written."""
    return STALE if isinstance(answer, LostRace) else Stop(f"to be canceled: {answer.job.state}")
