"""Delays before a failed try is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

JITTER = 0.2
"""Fraction of a delay, so that failed tries spread."""

CLAMP = 2.0
"""Retry-After counts up to this multiple of the scheduled delay."""


def backoff(tries: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Return the seconds before try `tries` + 1, doubling."""
    return min(longest, first * 2.0 ** min(max(tries - 1, 0), 30))


def webhook_wait(
    schedule: Sequence[float],
    attempts: int,
    rng: float,
    asked: float | None = None,
) -> float | None:
    """Return the seconds until the next delivery; None after the last.

    `schedule`: seconds before each; `rng`: uniform in [0, 1); `asked`: Retry-After in seconds, clamped.
    """
    if attempts >= len(schedule):
        return None
    planned = schedule[attempts]
    wished = min(asked or 0.0, CLAMP * planned)
    if wished > planned:
        return wished * (1 + JITTER * rng)
    return max(wished, planned * (1 - JITTER + 2 * JITTER * rng))
