"""What a step decides. Waiting is not failing: looking again is `Again`, a try that failed is `Retry`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_producer.contract import Job, Step


@dataclass(frozen=True, slots=True)
class Next:
    """The next step of this job follows: now, or sent by the clock in `wait` seconds."""

    job: Job
    step: Step
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Again:
    """Nothing has happened yet; the clock sends this step again in `wait` seconds."""

    wait: float
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """A try failed; the clock sends this step, or the one before it, again in `wait` seconds."""

    wait: float
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """The job waits in the ledger for a slot."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing follows."""

    reason: str


Outcome = Next | Again | Retry | Park | Stop

STALE = Stop("stale: the job has moved on")
"""Somebody else was faster: a normal answer, not an error."""
