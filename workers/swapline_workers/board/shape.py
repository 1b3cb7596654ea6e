"""How values are written on a page: moments, spans of time, numbers. The templates' filters."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE, HOUR, DAY = 60, 3600, 86_400
"""Seconds."""


def iso(milliseconds: int) -> str:
    """RFC 3339, UTC, to the millisecond."""
    return _moment(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(milliseconds: int) -> str:
    """A moment as briefly as it can be said: the time alone today, the day with it otherwise. UTC."""
    at = _moment(milliseconds)
    return f"{at:%H:%M:%S}" if at.date() == datetime.now(UTC).date() else f"{at.day} {at:%b %H:%M}"


def span(milliseconds: float) -> str:
    """A span of time in its two largest units."""
    seconds = max(0.0, milliseconds / 1000)
    if seconds < MINUTE:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 -- three digits either way
    whole = round(seconds)
    for unit, name, smaller, smaller_name in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // smaller} {smaller_name}"
    return f"{whole} s"


def number(value: int) -> str:
    """A number with its thousands set apart."""
    return f"{value:,}"


def size(value: int) -> str:
    """Bytes as people say them."""
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.0f} kB"  # noqa: PLR2004 -- a megabyte


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
