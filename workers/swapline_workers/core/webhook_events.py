"""Bodies of webhooks, of a job or of a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from swapline_producer.contract import (
    BatchData,
    BatchEvent,
    EventType,
    State,
    SwapData,
    SwapEvent,
    WebhookImage,
    WebhookVariant,
)
from swapline_producer.contract.changes import EVENT_OF
from swapline_producer.contract.timestamps import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract import Batch, Job, StoredPicture

BODY_LIMIT = 20_000
"""Bytes: the contract's limit; many receivers refuse large bodies."""


def webhook_id(job: Job) -> str:
    """Return the id of all attempts of one event."""
    # a job can be held, or end, again after a replay
    which = job.attempts if job.state is State.HELD else job.sequence if job.sequence > 1 else ""
    return f"msg_{job.job_id}_{job.state.value.lower()}{which and f'_{which}'}"


def swap_event(job: Job, at: int, url_of: Callable[[str], str]) -> SwapEvent:
    """Return a job's body. `at` (milliseconds): of events without a time."""
    images = [_image(picture, url_of) for picture in job.images]
    event = SwapEvent(
        type=EVENT_OF[job.state],
        timestamp=rfc3339(job.finished_at or job.held_at or at),
        sequence=job.sequence,
        data=SwapData(
            job_id=job.job_id,
            tenant=job.tenant,
            batch=job.spec.batch,
            metadata=job.spec.metadata,
            state=job.state,
            failure_code=job.failure_code,
            vendor_job_id=job.vendor_job_id,
            credits=job.credits,
            images=images,
            timings=timings(job),
        ),
    )
    return _fitting(event)


def _image(picture: StoredPicture, url_of: Callable[[str], str]) -> WebhookImage:
    variants = [WebhookVariant(url=url_of(variant.key), **variant.model_dump()) for variant in picture.variants]
    return WebhookImage(url=url_of(picture.key), **picture.model_dump(exclude={"variants"}), variants=tuple(variants))


def _fitting(event: SwapEvent) -> SwapEvent:
    """Leave out the last pictures of a body that is too long."""
    images = event.data.images
    kept = len(images)
    while kept and len(event.to_json()) > BODY_LIMIT:
        kept -= 1
        data = replace(event.data, images=images[:kept], images_omitted=len(images) - kept)
        event = replace(event, data=data)
    return event


def batch_webhook_id(batch: Batch) -> str:
    """Return the id of all attempts of one completion."""
    return f"msg_batch_{batch.nonce}_{batch.round}"


def batch_event(batch: Batch) -> BatchEvent:
    """Return a completed batch's body."""
    return BatchEvent(
        type=EventType.BATCH_COMPLETED,
        timestamp=rfc3339(batch.finished_at),
        sequence=batch.round,
        data=BatchData(batch=batch.batch, tenant=batch.tenant, **batch.counts.model_dump()),
    )


def timings(job: Job) -> dict[str, int | float | None]:
    """Return the seconds of each stage, or None."""
    return {
        "queued": _seconds(job.created_at, job.submitted_at),
        "running": _seconds(job.submitted_at, job.terminal_at),
        "storing": _seconds(job.terminal_at, job.finished_at),
        "total": _seconds(job.created_at, job.finished_at),
    }


def _seconds(start: int | None, end: int | None) -> int | float | None:
    """Return whole seconds as an integer: JavaScript writes 8.0 as 8, which breaks the signature."""
    if start is None or end is None:
        return None
    seconds, milliseconds = divmod(end - start, 1000)
    return (end - start) / 1000 if milliseconds else seconds
