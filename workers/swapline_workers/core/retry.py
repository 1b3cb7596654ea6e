"""How long to wait before something that failed is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

JITTER = 0.2
"""Each wait is stretched or shortened by up to a fifth, so that what failed together is not tried together."""

CLAMP = 2.0
"""A receiver's Retry-After is honoured up to so many times the wait of the schedule."""


def backoff(tries: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Seconds before try number `tries` + 1: doubling from `first` to `longest`."""
    return min(longest, first * 2.0 ** min(max(tries - 1, 0), 30))


def webhook_wait(
    schedule: Sequence[float],
    attempts: int,
    rng: float,
    asked: float | None = None,
) -> float | None:
    """Seconds until the next delivery after `attempts` failed ones; None when there is none left.

    `schedule` has the seconds before each delivery; `rng` is uniform in [0, 1); `asked` is the receiver's wish
    (Retry-After) in seconds: it is never called before that, or before the clamp of it.
    """
    if attempts >= len(schedule):
        return None
    planned = schedule[attempts]
    wished = min(asked or 0.0, CLAMP * planned)
    if wished > planned:
        return wished * (1 + JITTER * rng)
    return max(wished, planned * (1 - JITTER + 2 * JITTER * rng))
