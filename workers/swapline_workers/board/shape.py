"""The templates' filters: timestamps, spans of time, numbers."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86_400
"""Seconds."""


def clock(milliseconds: int) -> str:
    """Return the time of day (UTC), with another day's date."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{at:%H:%M:%S}" if at.date() == datetime.now(UTC).date() else f"{at.day} {at:%b %H:%M}"


def span(milliseconds: float) -> str:
    """Return a span of time in its two largest units."""
    seconds = max(0.0, milliseconds / 1000)
    if seconds < MINUTE:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 -- three digits either way
    rounded = round(seconds)
    for unit, name, smaller, smaller_name in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if rounded >= unit:
            return f"{rounded // unit} {name} {rounded % unit // smaller} {smaller_name}"
    return f"{rounded} s"


def number(value: int) -> str:
    """Return a number with separated thousands."""
    return f"{value:,}"


def size(value: int) -> str:
    """Return bytes as kB or MB."""
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.0f} kB"  # noqa: PLR2004 -- a megabyte
