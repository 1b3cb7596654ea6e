"""What a webhook tells."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.enums import EventType, FailureCode, State
from swapline_producer.contract.jobs import StoredPicture, StoredVariant


class WebhookVariant(StoredVariant):
    """A variant of a picture as a webhook has it: with a URL to fetch it from."""

    url: str


class WebhookImage(StoredPicture):
    """A stored picture as a webhook has it: with a URL to fetch it from."""

    url: str
    variants: tuple[WebhookVariant, ...] = Field((), exclude_if=lambda variants: not variants)


class SwapData(Frozen):
    """The `data` of a `swap.*` webhook."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: str
    tenant: str
    batch: str | None
    metadata: dict[str, str]
    state: State
    failure_code: FailureCode | None
    vendor_job_id: str | None
    credits: int
    images: list[WebhookImage]
    images_omitted: int = Field(0, exclude_if=lambda number: number == 0)
    """Pictures that are stored and not named here, since the body would be too long; `receipt.json` has them all."""
    timings: dict[str, int | float | None]
    """Seconds: `queued`, `running`, `storing`, `total`; null for a stage that the job did not reach."""


class SwapEvent(Frozen):
    """The body of a `swap.*` webhook."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: EventType
    timestamp: str
    """RFC 3339, UTC: when it happened, not when it was sent."""
    sequence: int = 0
    """Orders the events of one job: each has a greater one than those before it. 0 from a sender of before."""
    data: SwapData


class BatchData(Frozen):
    """The `data` of a `batch.completed` webhook. A job whose failed one was replaced counts once."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    batch: str
    tenant: str
    jobs: int
    states: dict[State, int]
    """How many jobs ended in which state; they add up to `jobs`."""
    failures: dict[str, int]
    """How many jobs have which failure code."""
    credits: int


class BatchEvent(Frozen):
    """The body of a `batch.completed` webhook."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal[EventType.BATCH_COMPLETED] = EventType.BATCH_COMPLETED
    timestamp: str
    """RFC 3339, UTC: when the last job ended."""
    sequence: int
    """How often the batch was completed: more than 1 where jobs joined it, and ended, after it was completed."""
    data: BatchData
