"""When to look again."""

from __future__ import annotations

from dataclasses import dataclass

GROWTH = 1.5
"""Each wait is so much longer than the one before it, until a schedule has been learned."""

HELD = 1.0
"""A status call that took this many seconds was held by the vendor until there was news; it paces itself."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shortest and the longest wait between two looks, in seconds."""

    shortest: float
    longest: float


def next_wait(looks: int, bounds: Bounds, *, held: float = 0.0) -> float:
    """Seconds from a look to the next one.

    `looks` is how many looks there were; `held` how many seconds the vendor kept the last one waiting.
    """
    if held >= HELD:
        return bounds.shortest
    # The exponent is capped: 1.5 ** 60 is beyond any bound, and a float overflows at 1.5 ** 1751.
    return min(bounds.longest, bounds.shortest * GROWTH ** min(looks, 60))
