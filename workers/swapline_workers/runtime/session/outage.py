"""Calls that are repeated until the ledger answers, for results that must not be lost."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from swapline_producer.errors import LedgerSettling, LedgerUnavailable
from swapline_workers.core.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from swapline_producer.contract import Job

log = logging.getLogger(__name__)

T = TypeVar("T")

OUTAGE_LIMIT_S = 300.0
"""Then a paid result is left to the rescue."""


LONGEST_PAUSE_S = 0.25
"""Replies to paid calls are written before claims and attempts go on after Redis's return.

See CLAIM_DELAY_AFTER_OUTAGE_S and ATTEMPT_DELAY_ON_NEW_SERVER_S: a ledger that forgot the attempt would have the job
paid again.
"""


class OutageRetry:
    """Repeats calls over an outage. Thread-safe."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        """`pause` waits for seconds."""
        self._pause = pause
        self._waiting: set[int] = set()

    @property
    def unwritten(self) -> int:
        """The number of paid results that only this process has."""
        return len(self._waiting)

    def until_answered(self, ask: Callable[[], T], job: Job, result: Mapping[str, object]) -> T:
        """Call `ask` until the ledger answers. Raises LedgerUnavailable after OUTAGE_LIMIT_S, and logs `result`."""
        thread = threading.get_ident()
        try:
            return self._repeat(ask, job, result, thread)
        finally:
            self._waiting.discard(thread)

    def once_settled(self, ask: Callable[[], T]) -> T:
        """Call `ask`, an attempt, again when a server that has just come back may be written to."""
        while True:
            try:
                return ask()
            except LedgerSettling as settling:
                log.info("paid calls wait: %s", settling)
                self._pause(settling.seconds)

    def _repeat(self, ask: Callable[[], T], job: Job, result: Mapping[str, object], thread: int) -> T:
        give_up_at, failures = time.monotonic() + OUTAGE_LIMIT_S, 0
        while True:
            try:
                return ask()
            except LedgerUnavailable:
                failures += 1
                self._waiting.add(thread)
                if time.monotonic() >= give_up_at:
                    log.exception(
                        "the ledger was away too long; this worker alone has the result of job %s: %s",
                        job.job_id,
                        result,
                    )
                    raise
                if failures == 1:
                    log.warning("the ledger is away; the result of job %s is kept and offered again", job.job_id)
                self._pause(backoff(failures, first=0.1, longest=LONGEST_PAUSE_S))
