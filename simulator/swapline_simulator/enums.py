"""The words of the vendor's page, and the sizes that it promises. Loading this loads nothing else."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from uuid import UUID

CREDITS_PER_JOB = 2
"""What one accepted submission costs."""


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
    """How long the vendor may take pains; read for integer filters only."""

    V6_1 = "v6.1"
    V6 = "v6"


class Status(StrEnum):
    """The statuses that the vendor was seen to give, and two that its host is known for."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


class OverCap(StrEnum):
    """What happens to a submission when every place of the account is taken. The page does not say."""

    TOO_MANY = "429"
    TOO_MANY_SECONDS = "429-seconds"
    TOO_MANY_DATE = "429-date"
    QUEUE = "queue"
    BAD_REQUEST = "400"


class ResultSize(StrEnum):
    """How many bytes a result has. Its pixels are the same."""

    FULL = "full"
    SMALL = "small"


FilterId = int | UUID
"""A filter of the catalog, or somebody's own."""
