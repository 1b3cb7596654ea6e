"""What the gateway answers: the shapes that openapi.json describes, filled from the ledger's values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from swapline_producer.contract import (
    ApiVersion,
    Canceling,
    FailureCode,
    Notification,
    Priority,
    QualityMode,
    Ratio,
    State,
)

Timestamp = str
"""RFC 3339 in UTC, with milliseconds."""


class View(BaseModel):
    """A JSON object of an answer; more members may come in later versions."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Image(View):
    """One picture of a swap that has succeeded: a PNG."""

    url: str
    """Where it is served to the same key, relative to this server."""
    sha256: str
    bytes: int
    width: int
    height: int


class Failure(View):
    """Why a swap did not succeed, or is HELD."""

    code: FailureCode
    detail: str | None
    advice: str
    """What to do."""


class Queue(View):
    """Where a waiting swap stands."""

    position: int
    """1: it is given the next free slot. An estimate, since tenants take turns."""
    slots: int
    """How many jobs run at a time."""


class Links(View):
    """Addresses, relative to this server."""

    self: str
    events: str
    cancel: str
    replay: str


class Swap(View):
    """One face swap."""

    id: str
    state: State
    finished: bool
    """Whether it has ended; only its webhook may still be on its way."""
    canceling: Canceling | None
    """It is to be canceled: it ends CANCELED when the vendor is done with it."""
    failure: Failure | None
    charged: bool | None
    """Whether the vendor was paid for it; null where that is not known (yet)."""
    credits: int
    """Credits that the vendor charged."""
    images: list[Image]
    queue: Queue | None = None
    """While it waits for a slot, and only where one swap is asked for."""
    estimated_end: Timestamp | None = None
    """When it will probably have ended, from the service times of jobs before it; null where that is not known."""
    gender: str
    filter_id: int | str
    ratio: Ratio | None
    quality_mode: QualityMode | None
    api_version: ApiVersion
    priority: Priority
    batch: str | None
    metadata: dict[str, str]
    idempotency_key: str | None
    webhook_url: str | None
    """Without its query, which may hold a secret."""
    notification: Notification
    attempts: int
    polls: int
    vendor_job_id: str | None
    created_at: Timestamp
    submitted_at: Timestamp | None
    finished_at: Timestamp | None
    links: Links


class SwapPage(View):
    """Swaps, the newest first."""

    swaps: list[Swap]
    next: str | None
    """The next page: `?cursor=` with the same filters. Pages neither repeat nor skip a swap."""


class Cancellation(View):
    """What became of a wish to cancel."""

    swap: Swap
    charged: bool | None
    """Whether the vendor was paid for it; null while unknown."""


class Batch(View):
    """How a batch stands."""

    batch: str
    jobs: int
    finished: int
    credits: int
    states: dict[State, int]
    failures: dict[str, int]
    """By failure code."""


class Sealed(View):
    """A batch whose rows are all in."""

    batch: str
    jobs: int
    finished: int
    completed: bool
    """All have ended, and its webhook is on its way or settled."""


class BatchCancellation(View):
    """What became of the swaps of a batch."""

    batch: str
    canceled: int
    canceling: int
    """The vendor has them: they end CANCELED when it is done with them."""
    charged: int
    perhaps_charged: int
    ended_meanwhile: int


class Event(View):
    """One line of a swap's log, as `data` of a server-sent event."""

    at: Timestamp
    name: str
    data: dict[str, JsonValue]
    state: State
    """The state of the swap when the event was sent."""


class ProblemBody(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    type: str = Field(examples=["urn:swapline:problem:invalid-request"])
    title: str
    status: int
    detail: str
    """What is wrong, and what to do."""
    charged: bool | None = None
    """Whether anything was charged; null where that is not known."""
    field: str | None = None
    """The field of the request that is wrong."""
    failure_code: FailureCode | None = None
    """The vendor's code for it."""
    advice: str | None = None
    """What to do about this failure code."""
