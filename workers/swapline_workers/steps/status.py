"""The meaning of a status reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import VENDOR_CODES, FailureCode
from swapline_workers.core.schedule import polling
from swapline_workers.errors import MisdirectedReply

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_workers.errors import VendorError
    from swapline_workers.steps.ports import Ports, StatusReply

COMPLETED = "COMPLETED"
WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
ENDED = frozenset({"FAILED", "CANCELLED", "CANCELED", "TIMED_OUT"})
"""FAILED is the vendor's; the others come from a host with replies of this shape."""

FORGOTTEN_AFTER = 3
"""Polls answered 404 in a row: one may be a deployment."""

NO_ANSWER = {"polls.failed": 1}

SECONDS = 1000


def no_answer_counts(error: VendorError) -> dict[str, int]:
    """Return the counters of a failed poll."""
    return {**NO_ANSWER, "polls.misdirected": 1} if isinstance(error, MisdirectedReply) else NO_ANSWER


def failure(reply: StatusReply) -> tuple[FailureCode, str]:
    """Return code and sentence of the vendor's failure."""
    words = reply.failure or ""
    code = next((code for code in VENDOR_CODES if code == words), FailureCode.VENDOR_FAILED)
    return code, f"the vendor says {reply.status}{': ' + words if words else ''}"


def lost(error: VendorError) -> str:
    """Return the sentence of a forgotten job."""
    return f"the vendor does not know the job any more: {error}"


def forgotten(job: Job, ports: Ports) -> bool:
    """Whether one more 404 means that the job is lost."""
    known_for = ports.view.now() - (job.submitted_at or 0)
    return job.not_found + 1 >= FORGOTTEN_AFTER and known_for >= ports.policy.lost_after * SECONDS


def out_of_time(job: Job, ports: Ports) -> bool:
    """Whether the run timeout is over."""
    return job.run_until is not None and ports.view.now() >= job.run_until


def poll_counts(reply: StatusReply) -> dict[str, int]:
    """Return the counters of a poll of an unfinished job."""
    pace = "polls.held" if reply.answered_after >= polling.LONG_POLL_S else "polls.instant"
    return {pace: 1, **({} if reply.status in WAITING else {"unknown_status": 1})}
