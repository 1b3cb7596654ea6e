"""HELD jobs on a terminal, each with the facts of its paid call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.terminal.output import out
from swapline_producer.terminal.tables import coloured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.contract import Job


def print_held(found: Iterable[tuple[Job, dict[str, Any]]]) -> None:
    """Print HELD jobs as lines: the facts are long."""
    for job, known in found:
        out.print(coloured(job.state), job.job_id, f"tenant {job.tenant}")
        out.print(f"  sent at    {known['sent_at']}, attempt {known['attempt']}")
        out.print(f"  request    {_words(known['sent'])}")
        out.print(f"  came back  {came_back(known)}")
        if known["slot_held_until"]:
            out.print(f"  its slot   is kept until {known['slot_held_until']}, or until you decide")
    out.print("What to do: `swapline jobs resolve` or `swapline jobs replay`; see docs/guides/held-jobs.md.")


def came_back(known: dict[str, Any]) -> str:
    """Return the reason, and the vendor's reply where there is one."""
    return "  ".join(part for part in (known["reason"], _words(known["reply"])) if part)


def _words(facts: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in facts.items())
