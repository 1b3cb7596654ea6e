"""The job of this thread, for log lines, spans and headers of calls."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

from structlog.contextvars import bind_contextvars, clear_contextvars

if TYPE_CHECKING:
    from swapline_producer.contract import Job

TRACEPARENT: contextvars.ContextVar[str | None] = contextvars.ContextVar("swapline_traceparent", default=None)
"""W3C's header of the current span."""


def begin(step: str, job_id: str, version: int) -> None:
    """Set the job of a message."""
    clear_contextvars()
    TRACEPARENT.set(None)
    bind_contextvars(step=step, job_id=job_id, version=version)


def concerns(job: Job) -> None:
    """Set the job, now that its record is known."""
    bind_contextvars(job_id=job.job_id, version=job.version, tenant=job.tenant, trace_id=job.trace_id)
    if TRACEPARENT.get() is None:
        TRACEPARENT.set(job.traceparent)


def headers() -> dict[str, str]:
    """Return the headers of a call that continue the trace."""
    traceparent = TRACEPARENT.get()
    return {} if traceparent is None else {"traceparent": traceparent}


def end() -> None:
    """Clear the job."""
    clear_contextvars()
    TRACEPARENT.set(None)
