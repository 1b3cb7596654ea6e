"""The words that every part of Swapline shares: states, codes, requests, jobs, events and names.

Pure: importing this module loads neither celery nor redis, and opens nothing.

Times are UTC milliseconds since the epoch (`int`, fields ending in `_at` or `_until`), read from the ledger's
own clock; durations in settings and requests are seconds (`float`).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    JsonValue,
    ModelWrapValidatorHandler,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from swapline_producer.errors import RequestError

CREDITS_PER_JOB = 2
"""What the vendor charges for one accepted submission (the vendor's page, step 1, notes)."""


class State(StrEnum):
    """Where a job is. In the order of the story."""

    QUEUED = "QUEUED"
    SUBMITTING = "SUBMITTING"
    RUNNING = "RUNNING"
    HELD = "HELD"
    STORING = "STORING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    TIMED_OUT = "TIMED_OUT"
    CANCELED = "CANCELED"

    @property
    def finished(self) -> bool:
        """Whether nothing but the notification can still happen."""
        return self in FINISHED


FINISHED = frozenset({State.SUCCEEDED, State.FAILED, State.EXPIRED, State.TIMED_OUT, State.CANCELED})
SLOT_STATES = frozenset({State.SUBMITTING, State.RUNNING})
"""States in which a job always holds one of the vendor's slots; HELD holds one until it is resolved or timed out."""


class Notification(StrEnum):
    """Where the webhook of a job is."""

    NONE = "NONE"
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class FailureCode(StrEnum):
    """Why a job did not succeed: the vendor's five, then ours."""

    FILTER_BLOCKED = "FILTER_BLOCKED"
    FILTER_NOT_FOUND = "FILTER_NOT_FOUND"
    WORKFLOW_FETCH_FAILED = "WORKFLOW_FETCH_FAILED"
    INVALID_QUALITY_MODE = "INVALID_QUALITY_MODE"
    INVALID_IMAGE = "INVALID_IMAGE"
    VENDOR_FAILED = "VENDOR_FAILED"
    VENDOR_REJECTED = "VENDOR_REJECTED"
    UNAUTHORIZED = "UNAUTHORIZED"
    OUT_OF_CREDITS = "OUT_OF_CREDITS"
    OUTPUT_MISSING = "OUTPUT_MISSING"
    OUTPUT_INVALID = "OUTPUT_INVALID"
    LOST = "LOST"
    SUBMIT_UNKNOWN = "SUBMIT_UNKNOWN"
    STORAGE_FAILED = "STORAGE_FAILED"
    QUEUE_TTL = "QUEUE_TTL"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    CANCELED = "CANCELED"


VENDOR_CODES = frozenset(
    {
        FailureCode.FILTER_BLOCKED,
        FailureCode.FILTER_NOT_FOUND,
        FailureCode.WORKFLOW_FETCH_FAILED,
        FailureCode.INVALID_QUALITY_MODE,
        FailureCode.INVALID_IMAGE,
    },
)


class Step(StrEnum):
    """The four steps, in the order of the story. Each is a Celery task and a queue."""

    SUBMIT = "submit"
    POLL = "poll"
    FINALIZE = "finalize"
    NOTIFY = "notify"

    @property
    def task(self) -> str:
        """The name of the step's Celery task, the same in every installation."""
        return f"swapline.{self.value}"

    def queue(self, key_prefix: str) -> str:
        """The name of the step's queue, and of its list in Redis."""
        return f"{key_prefix}.{self.value}"

    def task_id(self, job_id: str) -> str:
        """The id under which every message of this step of this job travels: Flower shows one task for it."""
        return f"{job_id}-{self.value}"


class EventType(StrEnum):
    """What a webhook can tell."""

    SUCCEEDED = "swap.succeeded"
    FAILED = "swap.failed"
    EXPIRED = "swap.expired"
    TIMED_OUT = "swap.timed_out"
    CANCELED = "swap.canceled"
    HELD = "swap.held"
    BATCH_COMPLETED = "batch.completed"


class ApiVersion(StrEnum):
    """The vendor's API version; each has its own paths."""

    V6 = "v6"
    V5 = "v5"


class Gender(IntEnum):
    """Whose face it is, as the vendor numbers it. GROUP swaps every face in the picture."""

    MALE = 0
    FEMALE = 1
    BOY = 2
    GIRL = 3
    GROUP = 4


class Ratio(StrEnum):
    """The shape of the result."""

    PORTRAIT = "portrait"
    LANDSCAPE = "landscape"
    SQUARE = "square"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels that the vendor's page promises."""
        return {"portrait": (1200, 1800), "landscape": (1800, 1200), "square": (1280, 1280)}[self.value]


class QualityMode(StrEnum):
    """The vendor's quality; only for filters with an integer id."""

    V6_1 = "v6.1"
    V6 = "v6"


class Priority(StrEnum):
    """Which of the three waiting lines a job stands in."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
IdempotencyKey = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_HTTP_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)


def _is_http_url(value: str) -> str:
    url = _HTTP_URL.validate_python(value)
    if url.username or url.password:
        raise PydanticCustomError("url_userinfo", "a URL must not carry a user name or password")
    return value


WebUrl = Annotated[str, StringConstraints(max_length=2083), AfterValidator(_is_http_url)]


METADATA_LIMIT = 8192
"""Characters of metadata in all: it travels in every webhook, which stays under 20 kB."""

CODE_OF_FIELD = {
    "image": FailureCode.INVALID_IMAGE,
    "gender": FailureCode.VENDOR_REJECTED,
    "filter_id": FailureCode.FILTER_NOT_FOUND,
    "ratio": FailureCode.VENDOR_REJECTED,
    "quality_mode": FailureCode.INVALID_QUALITY_MODE,
}
"""The code under which the vendor would refuse a value of this field that is not on its page."""

SENTENCES = {
    "image": "it must be a path, bytes, a data URI, base64 or a public URL",
    "filter_id": "it must be an integer from the vendor's catalog, or a UUID",
}
"""What to say of a field that takes several types; each of them would complain for itself."""


class Frozen(BaseModel):
    """The base of every value here: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SwapOptions(Frozen):
    """Everything about a face swap but the picture. The vendor's page is the source of the first five fields."""

    gender: Gender
    filter_id: StrictInt | UUID
    ratio: Ratio | None = None
    quality_mode: QualityMode | None = None
    api_version: ApiVersion = ApiVersion.V6
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the vendor's body, for v5 only (its parameters are not on the page)."""
    webhook_url: WebUrl | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    priority: Priority = Priority.NORMAL
    tenant: Tenant = "default"
    batch: str | None = Field(default=None, max_length=128)
    idempotency_key: IdempotencyKey | None = None
    queue_ttl: float | None = Field(default=None, gt=0)
    """Seconds that the job may wait for a slot; the setting SWAPLINE_QUEUE_TTL when absent."""
    run_timeout: float | None = Field(default=None, gt=0)
    """Seconds that the vendor may take; the setting SWAPLINE_RUN_TIMEOUT when absent."""

    @property
    def expected_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the result, portrait being the vendor's default."""
        return (self.ratio or Ratio.PORTRAIT).size

    @model_validator(mode="after")
    def _refuse_what_the_vendor_would_refuse(self) -> Self:
        """Refuse combinations of the vendor's page before a credit is spent, under the vendor's own code."""
        by_uuid = isinstance(self.filter_id, UUID)
        if isinstance(self.filter_id, int) and self.filter_id < 0:
            raise RequestError(
                "filter_id: an integer filter id is not negative; take one from the catalog",
                field="filter_id",
                code=FailureCode.FILTER_NOT_FOUND,
            )
        if by_uuid and self.gender is Gender.GROUP:
            raise RequestError(
                "filter_id: group mode (gender 4) works with integer filter ids only; take one from the catalog",
                field="filter_id",
                code=FailureCode.FILTER_BLOCKED,
            )
        if by_uuid and self.quality_mode is not None:
            raise RequestError(
                "quality_mode: it applies to integer filter ids only; leave it out for a UUID filter",
                field="quality_mode",
                code=FailureCode.INVALID_QUALITY_MODE,
            )
        if self.extra and self.api_version is not ApiVersion.V5:
            raise RequestError(
                "extra: extra fields are for api_version v5 only; leave them out",
                field="extra",
                code=FailureCode.VENDOR_REJECTED,
            )
        reserved = sorted(self.extra.keys() & {"base64", "gender", "filter_id", "ratio", "quality_mode"})
        if reserved:
            raise RequestError(
                f"extra: give {', '.join(reserved)} as a field of its own",
                field="extra",
                code=FailureCode.VENDOR_REJECTED,
            )
        if sum(len(k) + len(v) for k, v in self.metadata.items()) > METADATA_LIMIT:
            raise RequestError(f"metadata: it is limited to {METADATA_LIMIT} characters in all", field="metadata")
        return self


class SwapRequest(SwapOptions):
    """What a producer asks for.

    `image` is a path, the bytes of a JPEG, PNG or WebP, a data URI, bare base64, or a public http(s) URL
    (which the vendor fetches itself).
    """

    image: bytes | Path | str

    @model_validator(mode="wrap")
    @classmethod
    def _one_kind_of_error(cls, values: object, build: ModelWrapValidatorHandler[Self]) -> Self:
        """Raise RequestError for whatever is wrong, naming the field and the vendor's code."""
        try:
            return build(values)
        except ValidationError as error:
            wrong = {
                str(one["loc"][0]) if one["loc"] else "request": one["msg"] for one in error.errors(include_url=False)
            }
            sentence = "; ".join(f"{field}: {SENTENCES.get(field, said)}" for field, said in wrong.items())
            first = next(iter(wrong))
            raise RequestError(sentence, field=first, code=CODE_OF_FIELD.get(first)) from None


class StoredImage(Frozen):
    """An input picture in object storage, under the SHA-256 of its bytes."""

    kind: Literal["stored"] = "stored"
    key: str
    sha256: str
    media_type: str
    width: int
    height: int
    size: int
    """Bytes, before base64."""


class LinkedImage(Frozen):
    """An input picture at a public URL."""

    kind: Literal["url"] = "url"
    url: WebUrl


ImageRef = Annotated[StoredImage | LinkedImage, Field(discriminator="kind")]


class JobSpec(SwapOptions):
    """A request as the ledger keeps it: the picture by reference only. Fields of a later version are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: ImageRef


class StoredPicture(Frozen):
    """One picture of a job in object storage. `key` is its name there; sizes in pixels and bytes."""

    key: str
    sha256: str
    bytes: int
    width: int
    height: int


class Job(Frozen):
    """One job as the ledger has it. `turn` is its version: it grows with every change."""

    job_id: str
    state: State
    turn: int
    spec: JobSpec
    created_at: int
    queue_until: int
    run_timeout_ms: int
    submitted_at: int | None = None
    run_until: int | None = None
    terminal_at: int | None = None
    finished_at: int | None = None
    attempts: int = 0
    attempt_open: bool = False
    """A paid call may be under way: an attempt was written and its reply is not."""
    polls: int = 0
    retries: int = 0
    """Tries of the present stage (storing) that failed in a row."""
    not_found: int = 0
    """Looks answered 404 in a row."""
    vendor_job_id: str | None = None
    vendor_status: str | None = None
    slot: bool = False
    failure_code: FailureCode | None = None
    failure_detail: str | None = None
    credits: int = 0
    staged: int = 0
    """Pictures staged; 0 while there are none."""
    images: tuple[StoredPicture, ...] = ()
    notification: Notification = Notification.NONE
    notify_attempts: int = 0

    @property
    def tenant(self) -> str:
        """Whose job it is."""
        return self.spec.tenant


class JobEvent(Frozen):
    """One line of a job's log. `data` holds small facts: codes, counts, reasons; never a picture or a secret."""

    at: int
    name: str
    data: dict[str, JsonValue] = Field(default_factory=dict)


class Ticket(Frozen):
    """A message to be: which step of which job, for which turn. All that ever travels through the broker."""

    step: Step
    job_id: str
    turn: int
    retries: int = 0
    """How often this step of this job has run before; Flower shows it."""


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
