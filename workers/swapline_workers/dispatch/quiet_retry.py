"""RETRY without a traceback: a look that comes again is no error, and nobody reads where it was raised.

Celery keeps the traceback of every retry, with the code of each frame and the source line of each instruction: 0.9 ms,
as much as the whole message. A task here ends in RETRY for every look that found a job not done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billiard import einfo
from celery.app import trace
from celery.exceptions import Retry

if TYPE_CHECKING:
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class QuietRetryInfo(einfo.ExceptionInfo):
    """What Celery knows of an exception; of a retry, only what it says."""

    def __init__(self, exc_info: ExcInfo | None = None, internal: bool = False) -> None:  # noqa: FBT002 -- billiard's
        """See `billiard.einfo.ExceptionInfo`."""
        if exc_info is None or not issubclass(exc_info[0], Retry):
            super().__init__(exc_info, internal)
            return
        kind, exception, _ = exc_info
        wrapped = vars(einfo)["ExceptionWithTraceback"](exception, str(exception))  # its types do not name it
        facts: dict[str, Any] = {"type": kind, "exception": wrapped, "traceback": str(exception)}
        vars(self).update(facts)


def install() -> None:
    """Have Celery use it in this process. Tested against the Celery release in the lock."""
    vars(trace)["ExceptionInfo"] = QuietRetryInfo
