"""Choose one processor for a process's threads: Python's lock runs one at a time anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FITS_ONE = 0.75
"""Processors' time a second that fits one processor, and takes a fifth less there."""

SPREADS_FROM = 0.85
"""Share of the processor: pictures are decoded and hashed outside the lock."""

FREE_ENOUGH = 0.2
"""Share of a processor used by others before we move in."""

CROWDED = 0.4
"""Share used by others before we move away."""


def choose(own: float, others: Mapping[int, float], here: int | None) -> int | None:
    """Return the processor to share; None to spread.

    `own`: processors' time a second; `others`: use of each by others (0 to 1); `here`: the current one.
    """
    if own > (FITS_ONE if here is None else SPREADS_FROM):
        return None
    if here is not None and others.get(here, 1.0) <= CROWDED:
        return here
    quietest = min(others, key=lambda number: (others[number], -number))  # the first has most interrupts
    return quietest if others[quietest] <= FREE_ENOUGH else None
