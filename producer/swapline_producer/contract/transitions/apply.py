"""What a change does to a job; lua/moves/advance.lua does it in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.contract.enums import SLOT_STATES, State
from swapline_producer.contract.jobs.job import Job

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change

DEFAULTS: dict[str, Any] = {name: field.default for name, field in Job.model_fields.items()}
"""Read once: pydantic builds the table anew each time."""


def apply(job: Job, change: Change, at: int) -> Job:
    """Return the job after a change at `at` (milliseconds)."""
    stamped = {name: at + round(seconds * 1000) for name, seconds in change.stamps.items()}
    if change.to.finished and change.to is not job.state:
        stamped["finished_at"] = at
    removed = {name: DEFAULTS[name] for name, value in change.fields.items() if value is None}
    moved = {"state": change.to, "version": job.version + 1, "slot": holds_slot(job, change)}
    return job.model_copy(update={**change.fields, **removed, **stamped, **moved})


def holds_slot(job: Job, change: Change) -> bool:
    """Whether the job holds a slot after the change."""
    return change.to in SLOT_STATES or (change.to is State.HELD and job.slot)
