"""poll: look once at the vendor's status; when it is terminal, pass the slot on and fetch the pictures.

A status that is not terminal, known or not, and every kind of no answer move the job's `due` entry: the next look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import VENDOR_CODES, FailureCode, Job, State
from swapline_producer.contract.changes import BreakerTrip, Change, FieldValue
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Again, Outcome, Stop
from swapline_workers.core.retry import backoff
from swapline_workers.core.schedule import polling
from swapline_workers.steps.collect import collect, no_news, try_collecting_again
from swapline_workers.steps.drop import drop, not_wanted
from swapline_workers.steps.finish import fail
from swapline_workers.steps.schedule import next_poll_delay, service_time_sample

if TYPE_CHECKING:
    from pydantic import JsonValue

    from swapline_workers.steps.ports import Ports, StatusReply

COMPLETED = "COMPLETED"
WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
ENDED = frozenset({"FAILED", "CANCELLED", "CANCELED", "TIMED_OUT"})
"""FAILED is on the vendor's page; the others are those of the host whose reply shapes the page has."""

FORGOTTEN_AFTER = 3
"""Looks answered 404 in a row before a job counts as lost: one can be a deployment at the vendor's."""

SECONDS = 1000

STOPPED = {
    errors.Unauthorized: BreakerTrip(
        kind="unauthorized",
        reason="the vendor refuses the key: check SWAPLINE_API_KEY and _HEADER",
        wait=5.0,
        longest=5.0,
    ),
    errors.OutOfCredits: BreakerTrip(
        kind="credits", reason="the account is out of credits: buy some", wait=5.0, longest=5.0
    ),
}
"""What concerns everybody, not this job: no new submission is made for so long. It does not grow, because every look at
every job says it again; else a minute of it would stop the line for a minute more."""


def poll(job: Job, _at: int, ports: Ports) -> Outcome:
    """Look once."""
    if job.state not in {State.RUNNING, State.STORING} or job.vendor_job_id is None:
        return Stop(f"nothing to look at in {job.state}")
    if not_wanted(job):
        return drop(job, ports)
    try:
        with ports.vendor.poll(job.vendor_job_id, job.spec.api_version) as look:
            return _seen(job, look, ports)
    except errors.VendorError as error:
        return _no_news(job, error, ports)


def _seen(job: Job, look: StatusReply, ports: Ports) -> Outcome:
    if look.status == COMPLETED:
        return collect(job, look, ports)
    if look.status in ENDED:
        return _ended(job, look, ports)
    return _later(job, ports, look.status, held=look.held)


def _ended(job: Job, look: StatusReply, ports: Ports) -> Outcome:
    words = look.failure or ""
    code = next((code for code in VENDOR_CODES if code == words), FailureCode.VENDOR_FAILED)
    observe = service_time_sample(job, look, ports) if job.state is State.RUNNING else {}
    detail = f"the vendor says {look.status}{': ' + words if words else ''}"
    return fail(job, ports, code, detail, observe=observe, evidence={"vendor_status": look.status})


def _later(job: Job, ports: Ports, status: str, *, held: float) -> Outcome:
    if _out_of_time(job, ports):
        return _timed_out(job, ports, f"the vendor's last word was {status}")
    wait = next_poll_delay(job, ports, held=held)
    fields: dict[str, FieldValue] = {"vendor_status": status, "not_found": 0, "silent": 0}
    known = status in WAITING
    count = {"polls.held" if held >= polling.HELD else "polls.instant": 1, **({} if known else {"unknown_status": 1})}
    note = "status" if status != job.vendor_status else None
    change = Change(
        to=job.state, fields=fields, stamps={"polled_at": 0}, count=count, note=note, data={"status": status}
    )
    if job.state is State.STORING and job.terminal_at is None:
        change = _runs_after_all(job, change)
    return _poll_again(job, ports, wait, f"the vendor says {status}", change)


def _runs_after_all(job: Job, change: Change) -> Change:
    """Somebody had a job looked at again that had been given up; the vendor still works on it, so it has a slot."""
    stamps = {**change.stamps, "run_until": job.run_timeout_ms / 1000}
    return change.model_copy(update={"to": State.RUNNING, "stamps": stamps, "note": "runs after all"})


def _no_news(job: Job, error: errors.VendorError, ports: Ports) -> Outcome:
    """No answer says nothing about the job: it is looked at again, later."""
    if isinstance(error, errors.NotFound) and _forgotten(job, ports):
        return fail(job, ports, FailureCode.LOST, f"the vendor does not know the job any more: {error}")
    not_found = job.not_found + 1 if isinstance(error, errors.NotFound) else 0
    if job.state is State.STORING:
        return try_collecting_again(job, ports, str(error), not_found=not_found, count=no_news(error))
    if _out_of_time(job, ports):
        code = error.code if isinstance(error, errors.Unclear) else None
        return _timed_out(job, ports, f"the last poll failed: {error}", code)
    fields: dict[str, FieldValue] = {"not_found": not_found}
    fields["silent"] = job.silent + 1
    wait = max(next_poll_delay(job, ports), polling.growing_wait(job.silent, ports.policy.polls))
    if type(error) in STOPPED:
        wait = max(wait, backoff(job.polls, longest=ports.policy.polls.longest))
    if isinstance(error, errors.Throttled):
        wait = max(wait, error.retry_after or 1.0)
    trip = STOPPED.get(type(error))
    data: dict[str, JsonValue] = dict(error.evidence) if trip else {}
    change = Change(to=job.state, fields=fields, count=no_news(error), trip=trip, data=data)
    return _poll_again(job, ports, wait, str(error), change)


def _poll_again(job: Job, ports: Ports, wait: float, reason: str, change: Change) -> Outcome:
    update = {
        "fields": {**change.fields, "polls": job.polls + 1},
        "count": {**change.count, "polls": 1},
        "due_in": wait,
        "due_by": "run_until" if change.to is State.RUNNING else None,
    }
    return Again(wait, reason) if ports.session.advance(job, change.model_copy(update=update)) else STALE


def _forgotten(job: Job, ports: Ports) -> bool:
    known_for = ports.session.now() - (job.submitted_at or 0)
    return job.not_found + 1 >= FORGOTTEN_AFTER and known_for >= ports.policy.lost_after * SECONDS


def _out_of_time(job: Job, ports: Ports) -> bool:
    return job.state is State.RUNNING and job.run_until is not None and ports.session.now() >= job.run_until


def _timed_out(job: Job, ports: Ports, detail: str, code: FailureCode | None = None) -> Outcome:
    return fail(job, ports, code or FailureCode.RUN_TIMEOUT, detail, to=State.TIMED_OUT)
