"""Probe a failing store with a small object instead of a paid picture."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from swapline_producer.errors import StorageError
from swapline_producer.storage.keys import PROBE
from swapline_workers.core.log_events import LogEvent

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage

log = logging.getLogger(__name__)


class StoreProbe:
    """Writes and deletes one object when the store's breaker asks for it."""

    def __init__(self, ledger: Ledger, storage: Storage, *, timeout: float) -> None:
        """`timeout`: seconds of one call to the store."""
        self._ledger = ledger
        self._storage = storage
        self._lease = 2 * timeout

    def run(self) -> None:
        """Make a probe if one is due. Raises LedgerUnavailable."""
        if not self._ledger.limits.store_probe_due(self._lease):
            return
        try:
            self._storage.put(PROBE, b"probe", "text/plain")
            self._storage.delete([PROBE])
        except StorageError as error:
            log.error(  # noqa: TRY400 -- the sentence says what to do
                "results cannot be stored, nothing new is submitted: %s",
                error,
                extra={"event_name": LogEvent.STORE_UNAVAILABLE},
            )
            self._ledger.limits.store_probed(str(error))
        else:
            log.warning(
                "a probe was stored: one job goes first, the others when its result is stored",
                extra={"event_name": LogEvent.STORE_AVAILABLE},
            )
            self._ledger.limits.store_probed(None)
