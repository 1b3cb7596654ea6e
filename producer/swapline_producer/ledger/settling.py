"""No attempt is written to a Redis that has just taken another's place: it may lack the last writes.

Workers that live write meanwhile what came of their paid calls, so that none is made a second time.
"""

from __future__ import annotations

import math
import re
import time
from typing import Any, NamedTuple

from swapline_producer.errors import LedgerSettling

SETTLING_S = 1.5
"""Within this time of Redis's return attempts and results of paid calls are written again: see the workers' session."""

FACTS = re.compile(rb"^(master_replid|uptime_in_seconds):(\w+)", re.MULTILINE)


class Server(NamedTuple):
    """What a server says of itself."""

    name: str
    """Its replication id, anew after each start and promotion."""
    uptime: float
    """Seconds since its start."""


class MetServers:
    """The servers that this process has met. Thread-safe."""

    def __init__(self) -> None:
        """Trust the first one, unless it has just been started."""
        self._settled_at: dict[str, float] = {}

    def meet(self, connection: Any) -> Server:
        """Note which server a connection leads to."""
        server: Server = connection.server() if hasattr(connection, "server") else STRANGE
        if server.name not in self._settled_at:
            settles = SETTLING_S if self._settled_at else SETTLING_S - server.uptime
            self._settled_at.setdefault(server.name, time.monotonic() + settles)
        return server

    def require_settled(self, connection: Any) -> None:
        """Raise LedgerSettling where attempts may not be written yet."""
        seconds = self._settled_at[self.meet(connection).name] - time.monotonic()
        if seconds > 0:
            raise LedgerSettling(seconds)


STRANGE = Server("?", uptime=math.inf)
"""One that does not say, or that a client leads to which was not opened by `connect`."""


def ask_server(connection: Any) -> Server:
    """Ask a server for what it says of itself."""
    connection.send_command("INFO")
    reply = connection.read_response()
    facts = dict(FACTS.findall(reply.encode() if isinstance(reply, str) else reply))
    if len(facts) < 2:  # noqa: PLR2004 -- both
        return STRANGE
    return Server(facts[b"master_replid"].decode(), float(facts[b"uptime_in_seconds"]))
