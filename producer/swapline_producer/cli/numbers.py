"""Numbers that commands take, refused in a sentence."""

from __future__ import annotations

import math
from typing import Any

import click


class Whole(click.IntRange):
    """A whole number from 0 on: click's own sentence is `x is not a valid integer range`."""

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
    """A number that is neither infinite nor NaN, which click's own ranges take: no comparison refuses it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number
