"""What a worker shows of itself to its installation, and what it takes from it: the limits that count for all."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from swapline_producer.contract.changes import Limits
from swapline_producer.errors import LedgerUnavailable
from swapline_producer.ledger.workers import WorkerRecord
from swapline_producer.settings import ENV_PREFIX
from swapline_producer.vendors import vendor_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.workers import Joined
    from swapline_workers.settings import WorkerSettings

log = logging.getLogger(__name__)

LEAVE_WITHIN = 1.0
"""Seconds that the end of a process waits for a ledger that does not answer."""


class Membership:
    """One worker process among the workers of its ledger."""

    def __init__(self, ledger: Ledger, settings: WorkerSettings, rescue_after: Callable[[float], None]) -> None:
        """`rescue_after` is told the seconds that count for the whole installation."""
        self._ledger = ledger
        self._settings = settings
        self._rescue_after = rescue_after
        self._differing: dict[str, tuple[object, object]] = {}
        self._record = WorkerRecord(
            worker_id=secrets.token_hex(8),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=time.time_ns() // 1_000_000,
            limits=named_limits(settings),
        )

    def show(self) -> None:
        """Show this worker. Raises WrongOwner, LedgerUnavailable."""
        vendor = vendor_of(self._settings, self._ledger)
        mine = {"address": vendor.address, "key": vendor.short_key}
        joined = self._ledger.join(vendor, self._record.model_copy(update=mine))
        self._tell(joined)
        if joined.limits.rescue_after is not None:
            self._rescue_after(joined.limits.rescue_after)

    def leave(self) -> None:
        """Show it no more: it has stopped, and has no say. Where the ledger does not answer, it is forgotten later."""
        leaving = threading.Thread(target=self._try_to_leave, name="swapline-leave", daemon=True)
        leaving.start()
        leaving.join(LEAVE_WITHIN)

    def _try_to_leave(self) -> None:
        with suppress(LedgerUnavailable):
            self._ledger.leave(self._record.worker_id)

    def _tell(self, joined: Joined) -> None:
        for name, before, now in joined.changes:
            said = (ENV_PREFIX, name.upper(), now, "not set" if before is None else before)
            log.warning("%s%s is %s from now on, and was %s: all workers that name it agree", *said)
        mine = self._record.limits
        differing = {
            name: (getattr(mine, name), getattr(joined.limits, name))
            for name in mine.model_fields_set
            if getattr(mine, name) != getattr(joined.limits, name)
        }
        for name in differing.keys() - self._differing.keys():
            log.warning(
                "%s%s is %s here, and %s counts, which another worker names: give all workers the same. What they name"
                " counts as soon as none names another",
                *(ENV_PREFIX, name.upper(), *differing[name]),
            )
        self._differing = differing


def named_limits(settings: WorkerSettings) -> Limits:
    """Those limits that somebody has set: a default is nobody's word."""
    names = settings.model_fields_set & Limits.model_fields.keys()
    return Limits.model_validate({name: value for name in names if (value := getattr(settings, name)) is not None})
