"""Which processor the threads of one process share, if any. Python's own lock lets one of them run at a time anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CALM = 0.75
"""Processors that a process uses, spread, below which it fits into one: there it takes a fifth less."""

FULL = 0.85
"""Share of its processor from which on a process may spread again: pictures are decoded and hashed beside the lock."""

QUIET = 0.2
"""Share of a processor that others may use when we come."""

CROWDED = 0.4
"""Share of it that others may use before we go: two workers that have come to the same one part again."""


def choose(own: float, others: Mapping[int, float], here: int | None) -> int | None:
    """Give the processor to share; None to spread over all.

    `own` is the processors' time a second that this process uses, `others` what others use of each that it may run on
    (0 to 1), `here` where it is now.
    """
    if own > (CALM if here is None else FULL):
        return None
    if here is not None and others.get(here, 1.0) <= CROWDED:
        return here
    quietest = min(others, key=lambda number: (others[number], -number))  # the first has most of the interrupts
    return quietest if others[quietest] <= QUIET else None
