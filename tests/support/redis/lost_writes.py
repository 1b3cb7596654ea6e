"""A server whose machine stops: it comes back without its last writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from support.redis.fixtures import waited_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_workers.local.valkey.server import EmbeddedValkey


def losing_what_follows(server: EmbeddedValkey) -> Callable[[], None]:
    """Return what starts the server again without the writes that are made from now on."""
    waited_for((server.folder / "appendonlydir").exists)
    kept = {file: file.stat().st_size for file in (server.folder / "appendonlydir").iterdir()}

    def lose() -> None:
        server.kill()
        for file, size in kept.items():
            os.truncate(file, size)
        server.start()

    return lose
