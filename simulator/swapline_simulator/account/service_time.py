"""Distributions of the vendor's service time, written as text such as `lognormal:8,0.4`."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, PlainSerializer

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True)
class Fixed:
    """Always the same number of seconds."""

    seconds: float

    def draw(self, _rng: Random) -> float:
        """Return the seconds of one job."""
        return self.seconds

    def __str__(self) -> str:
        return f"fixed:{self.seconds:g}"


@dataclass(frozen=True)
class LogNormal:
    """Half of the jobs take less than `median` seconds; `sigma` is the spread of the logarithm (0.4 is usual)."""

    median: float
    sigma: float

    def draw(self, rng: Random) -> float:
        """Return the seconds of one job."""
        return rng.lognormvariate(log(self.median), self.sigma)

    def __str__(self) -> str:
        return f"lognormal:{self.median:g},{self.sigma:g}"


@dataclass(frozen=True)
class Bimodal:
    """Most jobs take about `quick` seconds, a share about `slow` (a cold start), each plus or minus a tenth."""

    quick: float
    slow: float
    slow_share: float

    def draw(self, rng: Random) -> float:
        """Return the seconds of one job."""
        middle = self.slow if rng.random() < self.slow_share else self.quick
        return middle * rng.uniform(0.9, 1.1)

    def __str__(self) -> str:
        return f"bimodal:{self.quick:g},{self.slow:g},{self.slow_share:g}"


Distribution = Fixed | LogNormal | Bimodal

_SPELLING = "write fixed:SECONDS, lognormal:MEDIAN,SIGMA or bimodal:QUICK,SLOW,SHARE_OF_SLOW, such as lognormal:8,0.4"


def parse(text: str) -> Distribution:
    """Parse a distribution. Raises ValueError, with the spelling."""
    name, _, rest = text.partition(":")
    try:
        numbers = [float(part) for part in rest.split(",")]
    except ValueError:
        raise ValueError(_SPELLING) from None
    if not all(0 <= number < float("inf") for number in numbers):
        raise ValueError(f"every number of a service time is 0 or more; {_SPELLING}")
    match name, numbers:
        case "fixed", [seconds]:
            return Fixed(seconds)
        case "lognormal", [median, sigma] if median > 0:
            return LogNormal(median, sigma)
        case "bimodal", [quick, slow, share] if share <= 1:
            return Bimodal(quick, slow, share)
    raise ValueError(_SPELLING)


def _parse_text(value: object) -> object:
    return parse(value) if isinstance(value, str) else value


ServiceTime = Annotated[Distribution, BeforeValidator(_parse_text), PlainSerializer(str)]
"""A distribution as a pydantic field, serialized as text."""
