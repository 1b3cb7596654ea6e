"""Enums: states, codes, steps, events, and those of the vendor's page."""

from __future__ import annotations

from enum import IntEnum, StrEnum

CREDITS_PER_JOB = 2
"""Of an accepted submission (the vendor's page, step 1, notes)."""


class State(StrEnum):
    """Where a job is."""

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
        """Whether only the notification can still change."""
        return self in FINISHED


FINISHED = frozenset({State.SUCCEEDED, State.FAILED, State.EXPIRED, State.TIMED_OUT, State.CANCELED})
SLOT_STATES = frozenset({State.SUBMITTING, State.RUNNING})
"""HELD has a slot until it is resolved or timed out."""


class Notification(StrEnum):
    """Where the webhook of a job is."""

    NONE = "NONE"
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class Canceling(StrEnum):
    """What becomes of a canceled job's result."""

    DROP = "drop"
    KEEP = "keep"


class FailureCode(StrEnum):
    """Why a job did not succeed: the vendor's five codes, then ours."""

    FILTER_BLOCKED = "FILTER_BLOCKED"
    FILTER_NOT_FOUND = "FILTER_NOT_FOUND"
    WORKFLOW_FETCH_FAILED = "WORKFLOW_FETCH_FAILED"
    INVALID_QUALITY_MODE = "INVALID_QUALITY_MODE"
    INVALID_IMAGE = "INVALID_IMAGE"
    NO_FACE_FOUND = "NO_FACE_FOUND"
    VENDOR_FAILED = "VENDOR_FAILED"
    VENDOR_REJECTED = "VENDOR_REJECTED"
    UNAUTHORIZED = "UNAUTHORIZED"
    OUT_OF_CREDITS = "OUT_OF_CREDITS"
    OUTPUT_MISSING = "OUTPUT_MISSING"
    OUTPUT_INVALID = "OUTPUT_INVALID"
    OUTPUT_TOO_MANY = "OUTPUT_TOO_MANY"
    LOST = "LOST"
    SUBMIT_UNKNOWN = "SUBMIT_UNKNOWN"
    VENDOR_ID_IN_USE = "VENDOR_ID_IN_USE"
    VENDOR_ID_INVALID = "VENDOR_ID_INVALID"
    STORAGE_FAILED = "STORAGE_FAILED"
    STORE_TIMEOUT = "STORE_TIMEOUT"
    QUEUE_TTL = "QUEUE_TTL"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    VENDOR_STATUS_INVALID = "VENDOR_STATUS_INVALID"
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
    """Each is a Celery task and a queue."""

    SUBMIT = "submit"
    POLL = "poll"
    FINALIZE = "finalize"
    NOTIFY = "notify"

    @property
    def task(self) -> str:
        """Name of the Celery task, the same in every installation."""
        return f"swapline.{self.value}"

    def queue(self, key_prefix: str) -> str:
        """Name of the queue, and of its list in Redis."""
        return f"{key_prefix}.{self.value}"

    def task_id(self, job_id: str) -> str:
        """Id of all messages of a job's step: one task in Flower."""
        return f"{job_id}-{self.value}"


class EventType(StrEnum):
    """What a webhook can report."""

    SUCCEEDED = "swap.succeeded"
    FAILED = "swap.failed"
    EXPIRED = "swap.expired"
    TIMED_OUT = "swap.timed_out"
    CANCELED = "swap.canceled"
    HELD = "swap.held"
    BATCH_COMPLETED = "batch.completed"


class ApiVersion(StrEnum):
    """Each has its own paths."""

    V6 = "v6"
    V5 = "v5"


class Gender(IntEnum):
    """Whose face it is, as the vendor numbers it. GROUP swaps every face."""

    MALE = 0
    FEMALE = 1
    BOY = 2
    GIRL = 3
    GROUP = 4

    @classmethod
    def _missing_(cls, value: object) -> Gender | None:
        text = value.strip().upper() if isinstance(value, str) else ""
        return next((one for one in cls if text in {one.name, str(one.value)}), None)


class Ratio(StrEnum):
    """The shape of the result."""

    PORTRAIT = "portrait"
    LANDSCAPE = "landscape"
    SQUARE = "square"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, by the vendor's page."""
        return {"portrait": (1200, 1800), "landscape": (1800, 1200), "square": (1280, 1280)}[self.value]


class QualityMode(StrEnum):
    """Only for filters with an integer id."""

    V6_1 = "v6.1"
    V6 = "v6"


class Priority(StrEnum):
    """Which waiting line a job stands in."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Prepare(StrEnum):
    """Whether an unsuitable picture is converted."""

    AUTO = "auto"
    """Convert it; a fit one keeps its bytes."""
    OFF = "off"
    """Send it as it is, or refuse it."""
    STRICT = "strict"
    """Refuse what would have to be changed."""


class StripMetadata(StrEnum):
    """What is cut out of a picture that needs no decoding."""

    OFF = "off"
    GPS = "gps"
    """Where it was taken, and what follows the picture."""
    ALL = "all"
    """All metadata but the colour profile."""


class Done(StrEnum):
    """What was done to a picture, in this order."""

    CONVERTED = "converted to JPEG"
    UPRIGHT = "turned upright"
    SRGB = "colours converted to sRGB"
    DEPTH = "reduced to 8 bits"
    FLATTENED = "put on white"
    SCALED = "scaled down"
    COMPRESSED = "compressed again"
    PLACE_REMOVED = "place removed"
    METADATA_REMOVED = "metadata removed"
    END_REMOVED = "bytes after the end removed"
