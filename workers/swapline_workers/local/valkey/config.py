"""The embedded server's configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_workers.local.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

_TEMPLATE = """\
# Written at each start.
bind {host}
protected-mode yes
port {port}
{unix_socket}
requirepass {password}
# `always`: a write is on the disk before it is acknowledged. `everysec` is six times as fast, and can lose the last
# second or two of acknowledged writes, when the machine stops and sometimes when the server is killed.
appendonly yes
appendfsync {appendfsync}
# Snapshots would only write everything twice.
save ""
# A full memory must refuse writes: evicting keys would lose jobs.
maxmemory-policy noeviction
daemonize no
"""


def valkey_config(*, port: int, password: str, appendfsync: str, unix_socket: Path | None) -> str:
    """Return the file's text.

    Raises ValueError for an empty password: Valkey would admit every client.
    """
    if not password:
        msg = "an empty password admits every client"
        raise ValueError(msg)
    return _TEMPLATE.format(
        host=LOOPBACK,
        port=port,
        unix_socket="" if unix_socket is None else f"unixsocket {_quoted(str(unix_socket))}\nunixsocketperm 700",
        password=_quoted(password),
        appendfsync=appendfsync,
    )


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'
