"""`swapline gateway` in the world of the harness: its ledger has the same time as the workers. Run as a script."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.actor import offset_clock, replace
from swapline_producer import ledger

if TYPE_CHECKING:
    from swapline_producer.settings import ProducerSettings


def main() -> None:
    """Bend time, then be a gateway."""
    open_ledger = ledger.open_ledger

    def with_our_time(settings: ProducerSettings) -> ledger.Ledger:
        opened = open_ledger(settings)
        replace(opened.scripts, "_clock", offset_clock(Path(os.environ["CHAOS_OFFSET"])))
        return opened

    replace(ledger, "open_ledger", with_our_time)
    from swapline_gateway.cli import gateway  # noqa: PLC0415 -- after time was bent

    gateway()


if __name__ == "__main__":
    main()
