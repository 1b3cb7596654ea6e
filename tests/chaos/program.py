"""`swapline …` in the world of the harness: its ledger has the same time as the workers. Run as a script.

CHAOS_OFFSET    as in actor.py
CHAOS_CHUNK     lines of a batch that are accepted together, so that kills fall between them
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.actor import offset_clock, replace
from swapline_producer import ledger
from swapline_producer.client.batches import bulk

if TYPE_CHECKING:
    from swapline_producer.settings import ProducerSettings


def main() -> None:
    """Bend time, then be the command."""
    open_ledger = ledger.open_ledger

    def with_our_time(settings: ProducerSettings) -> ledger.Ledger:
        opened = open_ledger(settings)
        replace(opened.scripts, "_clock", offset_clock(Path(os.environ["CHAOS_OFFSET"])))
        return opened

    replace(ledger, "open_ledger", with_our_time)
    if lines := os.environ.get("CHAOS_CHUNK"):
        replace(bulk, "CHUNK", int(lines))
    from swapline_producer.cli import main as command  # noqa: PLC0415 -- after time was bent

    command()


if __name__ == "__main__":
    main()
