"""A job's values, as `views.Swap` describes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import State
from swapline_producer.foreign_text import without_query

if TYPE_CHECKING:
    from swapline_producer.contract import Job


def timestamp(milliseconds: int | None) -> str | None:
    """Write milliseconds as RFC 3339."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def swap_view(job: Job, root: str) -> dict[str, Any]:
    """A job as `Swap` has it; a dict of plain values, since checking our own costs as much as the ledger."""
    own = f"{root}/v1/swaps/{job.job_id}"
    spec = job.spec
    return {
        "id": job.job_id,
        "state": job.state,
        "finished": job.state.finished,
        "canceling": job.canceling,
        "failure": failure_view(job),
        "charged": charged(job),
        "credits": job.credits,
        "images": [
            {"url": f"{own}/images/{number}", **image.model_dump(exclude={"key"})}
            for number, image in enumerate(job.images)
        ],
        "gender": spec.gender.name.lower(),
        "filter_id": spec.filter_id if isinstance(spec.filter_id, int) else str(spec.filter_id),
        "ratio": spec.ratio,
        "quality_mode": spec.quality_mode,
        "api_version": spec.api_version,
        "priority": spec.priority,
        "batch": spec.batch,
        "metadata": spec.metadata,
        "idempotency_key": spec.idempotency_key,
        "webhook_url": without_query(spec.webhook_url) if spec.webhook_url else None,
        "notification": job.notification,
        "attempts": job.attempts,
        "polls": job.polls,
        "vendor_job_id": job.vendor_job_id,
        "created_at": timestamp(job.created_at),
        "submitted_at": timestamp(job.submitted_at),
        "finished_at": timestamp(job.finished_at),
        "links": {"self": own, "events": f"{own}/events", "cancel": f"{own}/cancel", "replay": f"{own}/replay"},
    }


def charged(job: Job) -> bool | None:
    """Whether the vendor was paid for a job, as far as its record says."""
    if job.credits:
        return True
    return None if job.attempt_open or job.state is State.HELD else False


def failure_view(job: Job) -> dict[str, Any] | None:
    """Why a job did not succeed, or is HELD."""
    from swapline_producer.contract.jobs.failures import FAILURES  # noqa: PLC0415 -- only failures need it

    if job.failure_code is None:
        return None
    return {
        "code": job.failure_code,
        "detail": job.failure_detail,
        "advice": FAILURES[job.failure_code].advice.replace("`", ""),
    }
