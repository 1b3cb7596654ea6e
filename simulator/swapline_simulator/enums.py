"""Names and sizes of the vendor's page. Imports nothing else."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from uuid import UUID

CREDITS_PER_JOB = 2
"""Credits charged for an accepted submission."""


class ApiVersion(StrEnum):
    """The two versions of the API; a job of one is unknown to the other."""

    V6 = "v6"
    V5 = "v5"


class Gender(IntEnum):
    """Whose face is swapped. GROUP swaps every face."""

    MALE = 0
    FEMALE = 1
    BOY = 2
    GIRL = 3
    GROUP = 4


class Ratio(StrEnum):
    """The shape of a result."""

    PORTRAIT = "portrait"
    LANDSCAPE = "landscape"
    SQUARE = "square"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return {"portrait": (1200, 1800), "landscape": (1800, 1200), "square": (1280, 1280)}[self.value]


class QualityMode(StrEnum):
    """The quality mode, for integer filters only."""

    V6_1 = "v6.1"
    V6 = "v6"


class Status(StrEnum):
    """Statuses observed at the vendor, and two known from its host."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


class OverCap(StrEnum):
    """The reply to a submission above the cap, which the vendor's page does not specify."""

    TOO_MANY = "429"
    TOO_MANY_SECONDS = "429-seconds"
    TOO_MANY_DATE = "429-date"
    QUEUE = "queue"
    BAD_REQUEST = "400"


class ResultSize(StrEnum):
    """Bytes of a result, at equal pixel size."""

    FULL = "full"
    SMALL = "small"


FilterId = int | UUID
"""A filter of the catalog, or a custom workflow."""
