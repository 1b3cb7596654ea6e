"""Jobs whose pictures are not stored yet: tried again, or given up at the store timeout.

First the receipt is read: a worker may have stored them and died.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode, Job, transitions
from swapline_producer.errors import StorageUnavailable
from swapline_workers.core.outcomes import Again, Outcome, Retry
from swapline_workers.core.retry import backoff
from swapline_workers.steps.decision import Decision, Write, end
from swapline_workers.steps.status import NO_ANSWER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.contract.changes import JobFields
    from swapline_workers.core.picture_memory import Place
    from swapline_workers.errors import OutputInvalid, OutputMissing
    from swapline_workers.steps.ports import Ports

BAD_OUTPUTS = 3
"""Bad outputs in a row: the wire may be at fault."""

MEMORY_RETRY_S = 2.0
"""A slow store frees memory in about as long."""

STORE_FAILED = {"store_retries": 1}

SECONDS = 1000


def await_memory(job: Job) -> Decision:
    """Wait for memory for the pictures. Nothing failed."""
    change = transitions.awaiting_memory(job, retry_in=MEMORY_RETRY_S)
    return Write(job, change, lambda _: Again(MEMORY_RETRY_S, "no room for more pictures"))


def try_again(
    job: Job,
    ports: Ports,
    reason: str,
    learned: JobFields,
    *,
    at_least: float = 0.0,
    place: Place | None = None,
    count: Mapping[str, int] = NO_ANSWER,
) -> Decision:
    """Have the pictures read and stored in `at_least` seconds; `place` keeps those in memory."""
    if _overdue(job, ports):
        return give_up(job, ports, FailureCode.STORE_TIMEOUT, f"it could not be stored in time: {reason}", learned)
    wait = max(backoff(job.retries + 1), at_least)
    store_failed = place is not None
    change = transitions.not_stored(job, reason, learned=learned, retry_in=wait, count=count, store_failed=store_failed)

    def then(later: Job) -> Outcome:
        if place is not None:
            place.keep(later, place.pictures, wait)
        return Retry(wait, reason)

    return Write(job, change, then)


def bad_output(job: Job, ports: Ports, error: OutputMissing | OutputInvalid, learned: JobFields) -> Decision:
    """Read a bad output again; give up at the third."""
    readings = job.bad_outputs + 1
    if readings < BAD_OUTPUTS:
        return try_again(job, ports, str(error), {**learned, "bad_outputs": readings})
    return give_up(job, ports, error.code, str(error), learned)


def give_up(job: Job, ports: Ports, code: FailureCode, detail: str, learned: JobFields) -> Decision:
    """End a job without pictures, unless its receipt has them."""
    rescue_after = ports.policy.rescue_after
    try:
        images = ports.pictures.stored(job)
    except StorageUnavailable as error:
        if not _overdue(job, ports):
            reason = f"{detail}; whether it is stored cannot be seen: {error}"
            return try_again(job, ports, reason, learned, count=STORE_FAILED)
        images = ()
    if images:
        warnings = ["stored before, as its receipt says"]
        change = transitions.succeeded(job, images, rescue_after=rescue_after, learned=learned, warnings=warnings)
    elif code is FailureCode.RUN_TIMEOUT:
        change = transitions.timed_out(job, detail, rescue_after=rescue_after, learned=learned)
    else:
        change = transitions.failed(job, code, detail, rescue_after=rescue_after, learned=learned)
    return end(job, change)


def _overdue(job: Job, ports: Ports) -> bool:
    since = job.storing_since or ports.view.now()
    return ports.view.now() >= since + ports.policy.store_timeout * SECONDS
