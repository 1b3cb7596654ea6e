"""How a batch is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from swapline_producer.contract import State
from swapline_producer.terminal.output import DONE, FAILED, NOT_FINISHED, out
from swapline_producer.terminal.tables import coloured

if TYPE_CHECKING:
    from swapline_producer.client.batches.results import BatchView


def print_view(found: BatchView) -> None:
    """Print a batch's state, and the reasons of failures."""
    line = Text()
    for state, number in found.states.items():
        line.append(f"{number:,} ").append(coloured(state)).append("  ")
    whose = "" if found.tenant == "default" else f" of {found.tenant}"
    out.print(f"{found.batch}{whose}: {found.finished:,} of {found.jobs:,} jobs have ended, {found.credits:,} credits")
    out.print(line)
    if found.failures:
        out.print("why: " + ", ".join(f"{number:,} {code}" for code, number in found.failures.items()))


def exit_code(found: BatchView) -> int:
    """Return a batch's exit code."""
    if found.finished < found.jobs:
        return NOT_FINISHED
    return DONE if found.states.get(State.SUCCEEDED, 0) == found.jobs else FAILED
