"""How long to wait before something that failed is tried again."""

from __future__ import annotations

WEBHOOK_SCHEDULE = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds before each delivery of a webhook: ten attempts over 75 hours, as Standard Webhooks recommends."""

JITTER = 0.2
"""Each wait is stretched or shortened by up to a fifth, so that what failed together is not tried together."""

CLAMP = 2.0
"""A receiver's Retry-After is honoured up to so many times the wait of the schedule."""


def backoff(tries: int, *, first: float = 1.0, longest: float = 60.0) -> float:
    """Seconds before try number `tries` + 1: doubling from `first` to `longest`."""
    return min(longest, first * 2.0 ** min(max(tries - 1, 0), 30))


def webhook_wait(attempts: int, chance: float, asked: float | None = None) -> float | None:
    """Seconds until the next delivery after `attempts` failed ones; None when there is none left.

    `chance` is uniform in [0, 1); `asked` is the receiver's Retry-After in seconds.
    """
    if attempts >= len(WEBHOOK_SCHEDULE):
        return None
    planned = WEBHOOK_SCHEDULE[attempts]
    wished = min(max(asked or 0.0, planned), CLAMP * planned)
    return wished * (1 - JITTER + 2 * JITTER * chance)
