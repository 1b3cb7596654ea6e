"""What the gateway answers: the shapes that openapi.json describes, filled from the ledger's values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
from swapline_producer.foreign_text import without_query

if TYPE_CHECKING:
    from swapline_producer.contract import Job

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


class DayUsage(View):
    """Credits of one day."""

    day: str
    """UTC."""
    credits: int


class Usage(View):
    """Credits of a tenant."""

    tenant: str
    credits_per_day: int | None
    """Its cap; null where it has none."""
    days: list[DayUsage]


class Capacity(View):
    """How busy the installation is."""

    slots: int
    in_flight: int
    waiting: int
    """Of all tenants."""
    waiting_of_tenant: int
    paused: bool
    """Submissions wait: the vendor refuses the account, or is away."""
    seconds_per_swap: float | None
    """Mean service time; null until twenty swaps have ended."""
    swaps_per_hour: int | None
    seconds_to_empty_line: float | None


class Secret(View):
    """A webhook secret of a tenant, without the secret."""

    id: str
    created_at: Timestamp
    until: Timestamp | None
    """It signs until then; null: until it is deleted."""


class NewSecret(Secret):
    """A webhook secret, shown this once."""

    secret: str


class Secrets(View):
    """Webhook secrets, the oldest first."""

    secrets: list[Secret]


class Endpoint(View):
    """A receiver that fails or is disabled."""

    id: str
    address: str
    error: str
    status: int | None
    failures: int
    failing_since: Timestamp | None
    disabled_at: Timestamp | None
    reason: str | None


class Endpoints(View):
    """Receivers that fail or are disabled."""

    endpoints: list[Endpoint]


class Delivery(View):
    """A webhook that was not delivered (yet)."""

    id: str
    """Of the swap, or batch:TENANT:NAME."""
    event: str
    notification: Notification
    attempts: int
    endpoint: str


class Deliveries(View):
    """Webhooks in trouble."""

    deliveries: list[Delivery]


class Replayed(View):
    """What became of webhooks that were given up."""

    replayed: int
    endpoint_disabled: int
    moved_on: int


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
