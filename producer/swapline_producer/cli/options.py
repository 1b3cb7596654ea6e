"""Options and types of values that several commands have."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST = 100 * 365.25 * 86_400
"""Seconds: a longer age is a mistake."""

_PARTS = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_AGE = re.compile(rf"(?:{_PARTS.pattern})+")


class Age(NamedTuple):
    """Seconds, or a timestamp in milliseconds."""

    seconds: float | None = None
    timestamp: int | None = None

    def at(self, now: int) -> int:
        """Return the timestamp in milliseconds, counted from `now`."""
        return self.timestamp if self.timestamp is not None else round(now - (self.seconds or 0) * 1000)


class AgeType(click.ParamType[Age]):
    """As 90s, 15m, 2h, 1d12h, or 2026-11-22T03:00Z."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Age:
        """Read either; a time without a zone is UTC."""
        if isinstance(value, Age):
            return value
        text = str(value).strip()
        if _AGE.fullmatch(text.lower()):
            seconds = sum(float(number) * SECONDS[unit] for number, unit in _PARTS.findall(text.lower()))
            if seconds > LONGEST:
                self.fail(f"{value!r} is more than a century ago.", param, ctx)
            return Age(seconds=seconds)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{value!r} is neither an age (90s, 15m, 2h, 1d12h) nor a moment (2026-11-22T03:00Z).", param, ctx
            )
        return Age(timestamp=round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000))


class Whole(click.IntRange):
    """A whole number from 0, with a better sentence than click's."""

    def __init__(self, most: int) -> None:
        """Up to `most`."""
        super().__init__(0, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{value} is not a whole number from 0 to {self.max:,}.", param, ctx)


class Finite(click.FloatRange):
    """A number, not infinite or NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number

    def _describe_range(self) -> str:
        """Omit an open range from the help: click writes `x<=None`."""
        return "" if self.min is None and self.max is None else super()._describe_range()
