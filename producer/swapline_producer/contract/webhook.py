"""What a webhook tells."""

from __future__ import annotations

from pydantic import ConfigDict

from swapline_producer.contract.base import Frozen
from swapline_producer.contract.job import StoredPicture
from swapline_producer.contract.words import EventType, FailureCode, State


class WebhookImage(StoredPicture):
    """A stored picture as a webhook tells it: with a URL to fetch it from."""

    url: str


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
    timings: dict[str, float | None]
    """Seconds: `queued`, `running`, `storing`, `total`; null for a stage that the job did not reach."""


class SwapEvent(Frozen):
    """The body of a `swap.*` webhook."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: EventType
    timestamp: str
    """RFC 3339, UTC: when it happened, not when it was sent."""
    data: SwapData
