"""No attempt is written to a Redis that has just taken another's place: it may lack the last writes.

Workers that live write meanwhile what came of their paid calls, so that none is made a second time.
"""

from __future__ import annotations

import re
import time
from typing import Any

from swapline_producer.errors import LedgerSettling

SETTLING_S = 1.5
"""Within this time of Redis's return results of paid calls are written: see `OutageRetry` of the workers."""

REPLICATION_ID = re.compile(rb"^master_replid:(\w+)", re.MULTILINE)


class MetServers:
    """The servers that this process has met, by replication id. Thread-safe."""

    def __init__(self) -> None:
        """Trust the first one at once."""
        self._settled_at: dict[str, float] = {}

    def meet(self, connection: Any) -> float:
        """Return the seconds until attempts may be written through a connection; 0 or less: now."""
        if not hasattr(connection, "server"):
            return 0.0  # a client that was not opened by `connect`
        now = time.monotonic()
        return self._settled_at.setdefault(connection.server(), now + SETTLING_S if self._settled_at else now) - now

    def require_settled(self, connection: Any) -> None:
        """Raise LedgerSettling where attempts may not be written yet."""
        seconds = self.meet(connection)
        if seconds > 0:
            raise LedgerSettling(seconds)


def replication_id(connection: Any) -> str:
    """Ask the server for what it has anew after each start and each promotion; "?" where it does not say."""
    connection.send_command("INFO", "replication")
    reply = connection.read_response()
    found = REPLICATION_ID.search(reply.encode() if isinstance(reply, str) else reply)
    return found[1].decode() if found else "?"
