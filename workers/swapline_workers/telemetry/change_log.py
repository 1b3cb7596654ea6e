"""Log lines for failures, refusals and unknown outcomes.

ERROR: a person must act. WARNING: the customer's affair, or it passes.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract import FailureCode, State
from swapline_producer.contract.jobs.failures import FAILURES
from swapline_workers.core.log_events import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract import Job
    from swapline_producer.contract.changes import BreakerTrip, Change

log = logging.getLogger(__name__)

ENDS = {
    State.FAILED: (LogEvent.JOB_FAILED, "job failed"),
    State.EXPIRED: (LogEvent.JOB_EXPIRED, "job expired"),
    State.TIMED_OUT: (LogEvent.JOB_TIMED_OUT, "job timed out"),
    State.HELD: (LogEvent.JOB_HELD, "job held"),
}

OPERATORS = frozenset(
    {
        FailureCode.UNAUTHORIZED,
        FailureCode.OUT_OF_CREDITS,
        FailureCode.OUTPUT_MISSING,
        FailureCode.OUTPUT_INVALID,
        FailureCode.OUTPUT_TOO_MANY,
        FailureCode.LOST,
        FailureCode.SUBMIT_UNKNOWN,
        FailureCode.VENDOR_ID_IN_USE,
        FailureCode.VENDOR_ID_INVALID,
        FailureCode.STORAGE_FAILED,
        FailureCode.STORE_TIMEOUT,
    }
)
"""For the operator; the others concern the customer."""

MUST_ACT = frozenset({"unauthorized", "credits", "address"})
"""They last until a person acts."""

REPEAT_AFTER_S = 60.0
"""Before the same refusal is logged again: every running job meets it."""


class Line(NamedTuple):
    """One line, before it is written."""

    level: int
    text: str
    fields: dict[str, object]


class ChangeLog:
    """Logs changes. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` returns seconds."""
        self._now = monotonic
        self._logged_at: dict[str, float] = {}

    def written(self, job: Job | None, change: Change) -> None:
        """Log a written change if needed; `job` after it, None for a batch."""
        line = _line(job, change)
        if line is not None and not self._is_repeated(line):
            log.log(line.level, "%s", line.text, extra=line.fields)

    def _is_repeated(self, line: Line) -> bool:
        if line.fields["event_name"] is not LogEvent.POLL_REFUSED:
            return False
        kind, now = str(line.fields["refusal"]), self._now()
        if now < self._logged_at.get(kind, -REPEAT_AFTER_S) + REPEAT_AFTER_S:
            return True
        self._logged_at[kind] = now
        return False


def _line(job: Job | None, change: Change) -> Line | None:
    """Return a change's line for people, or None."""
    if job is not None and change.fields.get("failure_code") and change.to in ENDS:
        return _ended(job, change)
    if change.trip is not None:
        return _refused(change, change.trip)
    if change.note == "ambiguous":
        text = (
            f"submission outcome unknown: {change.data.get('reason')}; sent again, as SWAPLINE_ON_AMBIGUOUS_SUBMIT says"
        )
        return Line(logging.WARNING, text, _fields(LogEvent.SUBMISSION_UNKNOWN, change, charged="perhaps"))
    if change.note == "webhook dead":
        text = f"webhook given up: {change.data.get('error')}; `swapline webhooks replay` sends it again"
        return Line(logging.WARNING, text, _fields(LogEvent.WEBHOOK_DEAD, change))
    return None


def _ended(job: Job, change: Change) -> Line:
    event, phrase = ENDS[change.to]
    code = FailureCode(str(change.fields["failure_code"]))
    failure = FAILURES[code]
    advice = failure.advice.replace(" JOB", f" {job.job_id}")
    text = f"{phrase}: {code}, {change.fields.get('failure_detail')}; charged: {failure.charged}; {advice}"
    more = {
        "failure_code": code.value,
        "vendor_status": change.data.get("vendor_status", job.vendor_status),
        "vendor_job_id": job.vendor_job_id,
    }
    level = logging.ERROR if code in OPERATORS else logging.WARNING
    return Line(level, text, _fields(event, change, **more))


def _refused(change: Change, trip: BreakerTrip) -> Line:
    event, phrase = (
        (LogEvent.SUBMISSION_REFUSED, "submission refused, the job keeps its place uncharged")
        if change.to is State.QUEUED
        else (LogEvent.POLL_REFUSED, "poll refused, the job runs on")
    )
    answer = change.data.get("body") or change.data.get("error")
    text = f"{phrase}: {trip.reason}{f' ({answer})' if answer else ''}; it is tried again by itself"
    level = logging.ERROR if trip.kind in MUST_ACT else logging.WARNING
    return Line(level, text, _fields(event, change, refusal=trip.kind))


def _fields(event: LogEvent, change: Change, **more: object) -> dict[str, object]:
    status = change.data.get("status")
    found = {"event_name": event, "http_status": status if isinstance(status, int) else None, **more}
    return {name: value for name, value in found.items() if value is not None}
