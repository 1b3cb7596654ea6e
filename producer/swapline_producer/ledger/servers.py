"""No attempt is written to a Redis that has just taken another's place: it may lack the last writes.

Workers that live write meanwhile what they know of their paid calls, so that none is made a second time.
"""

from __future__ import annotations

import re
from typing import Any

ATTEMPT_DELAY_ON_NEW_SERVER_S = 1.5
"""From the first claim or attempt at a server that takes another's place until attempts are written to it."""

REPLICATION_ID = re.compile(rb"^master_replid:(\w+)", re.MULTILINE)

UNKNOWN = "?"
"""A server that does not say, or that a client leads to which was not opened by `connect`."""


def replication_id(connection: Any) -> str:
    """Ask a server for what it has anew after each start and promotion, and when its first replica comes."""
    connection.send_command("INFO", "replication")
    reply = connection.read_response()
    found = REPLICATION_ID.search(reply.encode() if isinstance(reply, str) else reply)
    return found[1].decode() if found else UNKNOWN


def server_of(connection: Any) -> str:
    """Return the replication id of the server that a connection leads to; it is asked once."""
    return str(connection.server()) if hasattr(connection, "server") else UNKNOWN
