"""Changes by polls, the hand-over of a slot, and tries to store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract.changes import BreakerTrip, Change, Evidence, JobFields, Observations
from swapline_producer.contract.enums import State
from swapline_producer.contract.transitions.table import arrow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.contract.jobs.job import Job


@arrow(State.RUNNING, State.RUNNING, "a poll found it not finished")
def polled(job: Job, status: str, *, poll_in: float, count: Mapping[str, int]) -> Change:
    """The vendor still works on the job. `count`: the kind of poll."""
    return Change(
        to=State.RUNNING,
        fields={"vendor_status": status, "not_found": 0, "silent": 0, "polls": job.polls + 1},
        stamps={"polled_at": 0},
        due_in=poll_in,
        due_by="run_until",
        note="status" if status != job.vendor_status else None,
        data={"status": status},
        count={**count, "polls": 1},
    )


@arrow(State.STORING, State.RUNNING, "a person had it polled again, and the vendor still works on it")
def running_again(job: Job, status: str, *, poll_in: float, count: Mapping[str, int]) -> Change:
    """A given-up job runs after all, with a slot and its whole run timeout."""
    change = polled(job, status, poll_in=poll_in, count=count)
    stamps = {**change.stamps, "run_until": job.run_timeout_ms / 1000}
    return change.model_copy(update={"stamps": stamps, "note": "runs after all"})


@arrow(State.RUNNING, State.RUNNING, "a poll failed, which says nothing about the job")
def no_answer(
    job: Job,
    *,
    not_found: bool,
    poll_in: float,
    count: Mapping[str, int],
    trip: BreakerTrip | None,
    evidence: Evidence,
) -> Change:
    """A poll failed. `not_found`: with 404; `trip`: it stops submissions."""
    return Change(
        to=State.RUNNING,
        fields={"not_found": job.not_found + 1 if not_found else 0, "silent": job.silent + 1, "polls": job.polls + 1},
        due_in=poll_in,
        due_by="run_until",
        data=dict(evidence),
        count={**count, "polls": 1},
        trip=trip,
    )


@arrow(State.RUNNING, State.STORING, "the vendor says COMPLETED; the slot is passed on")
def completed(job: Job, *, rescue_after: float, service_times: Observations, detection_delay: float) -> Change:
    """The vendor has completed the job: the slot is passed on."""
    return Change(
        to=State.STORING,
        fields={"vendor_status": "COMPLETED", "polls": job.polls + 1, "not_found": 0, "retries": 0, "bad_outputs": 0},
        stamps={"terminal_at": 0, "storing_since": 0},
        due_in=rescue_after,
        sends=True,
        note="completed",
        count={"polls": 1, "completed": 1},
        observe=service_times,
        timed={"detection": detection_delay},
    )


@arrow(State.STORING, State.STORING, "this worker has as many pictures in memory as it may")
def awaiting_memory(_job: Job, *, retry_in: float) -> Change:
    """Wait for memory for the job's pictures. Nothing failed."""
    return Change(to=State.STORING, due_in=retry_in, count={"store_full": 1})


@arrow(State.STORING, State.STORING, "its pictures could not be read or stored, and are tried again")
def not_stored(
    job: Job,
    reason: str,
    *,
    learned: JobFields,
    retry_in: float,
    count: Mapping[str, int],
    store_failed: bool,
) -> Change:
    """A try to read or store the pictures failed. `store_failed`: submit nothing until one is stored."""
    tries = job.retries + 1
    return Change(
        to=State.STORING,
        fields={"retries": tries, **learned},
        due_in=retry_in,
        note="not stored",
        data={"reason": reason, "tries": tries},
        count={**count, **polls_in(learned)},
        store_failed=reason if store_failed else None,
    )


def polls_in(fields: JobFields) -> dict[str, int]:
    """Return what to count of a job's polls."""
    return {"polls": 1} if "polls" in fields else {}
