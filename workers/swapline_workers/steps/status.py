"""What a status reply means, whichever step asked: terminal or not, how a job failed, whether the vendor forgot it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import VENDOR_CODES, FailureCode, Job, State
from swapline_producer.contract.changes import Change, FieldValue
from swapline_workers.core.outcomes import STALE, Again, Outcome
from swapline_workers.core.schedule import polling
from swapline_workers.errors import MisdirectedReply
from swapline_workers.steps.schedule import next_poll_delay

if TYPE_CHECKING:
    from swapline_workers.errors import NotFound, VendorError
    from swapline_workers.steps.ports import Ports, StatusReply

COMPLETED = "COMPLETED"
WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
ENDED = frozenset({"FAILED", "CANCELLED", "CANCELED", "TIMED_OUT"})
"""FAILED is on the vendor's page; the others are those of the host whose reply shapes the page has."""

FORGOTTEN_AFTER = 3
"""Polls answered 404 in a row before a job counts as lost: one can be a deployment at the vendor's."""

NO_NEWS = {"polls.failed": 1}
"""What to count of a poll that says nothing about its job."""

SECONDS = 1000


def no_news(error: VendorError) -> dict[str, int]:
    """Return what to count of a poll that ended in an error."""
    return {**NO_NEWS, "polls.misdirected": 1} if isinstance(error, MisdirectedReply) else NO_NEWS


def failure(reply: StatusReply) -> tuple[FailureCode, str]:
    """Return the code and the sentence of a job that the vendor says has failed."""
    words = reply.failure or ""
    code = next((code for code in VENDOR_CODES if code == words), FailureCode.VENDOR_FAILED)
    return code, f"the vendor says {reply.status}{': ' + words if words else ''}"


def lost(error: NotFound) -> str:
    """Return the sentence of a job that the vendor has forgotten."""
    return f"the vendor does not know the job any more: {error}"


def forgotten(job: Job, ports: Ports) -> bool:
    """Whether one more 404 means that the vendor has forgotten the job."""
    known_for = ports.session.now() - (job.submitted_at or 0)
    return job.not_found + 1 >= FORGOTTEN_AFTER and known_for >= ports.policy.lost_after * SECONDS


def out_of_time(job: Job, ports: Ports) -> bool:
    """Whether the run timeout is over."""
    return job.run_until is not None and ports.session.now() >= job.run_until


def poll_later(job: Job, reply: StatusReply, ports: Ports) -> Outcome:
    """Poll a job again that the vendor still works on."""
    return poll_again(
        job, ports, next_poll_delay(job, ports, held=reply.held), f"the vendor says {reply.status}", waits(job, reply)
    )


def runs_after_all(job: Job, reply: StatusReply, ports: Ports) -> Outcome:
    """A job that had been given up is still worked on by the vendor: it runs, has a slot, and its whole time."""
    change = waits(job, reply)
    stamps = {**change.stamps, "run_until": job.run_timeout_ms / 1000}
    change = change.model_copy(update={"to": State.RUNNING, "stamps": stamps, "note": "runs after all"})
    wait = next_poll_delay(job, ports, held=reply.held)
    return poll_again(job, ports, wait, f"the vendor says {reply.status}", change)


def waits(job: Job, reply: StatusReply) -> Change:
    """What is written of a status that is not terminal."""
    fields: dict[str, FieldValue] = {"vendor_status": reply.status, "not_found": 0, "silent": 0}
    held = "polls.held" if reply.held >= polling.HELD else "polls.instant"
    return Change(
        to=job.state,
        fields=fields,
        stamps={"polled_at": 0},
        count={held: 1, **({} if reply.status in WAITING else {"unknown_status": 1})},
        note="status" if reply.status != job.vendor_status else None,
        data={"status": reply.status},
    )


def poll_again(job: Job, ports: Ports, wait: float, reason: str, change: Change) -> Outcome:
    """Write a change of a job that runs, and have it polled in `wait` seconds."""
    update = {
        "fields": {**change.fields, "polls": job.polls + 1},
        "count": {**change.count, "polls": 1},
        "due_in": wait,
        "due_by": "run_until",
    }
    return Again(wait, reason) if ports.session.advance(job, change.model_copy(update=update)) else STALE
