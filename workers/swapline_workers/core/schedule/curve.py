"""A smooth curve through a histogram: which share of the jobs is done by when."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, erf, exp, sqrt
from typing import TYPE_CHECKING

from swapline_producer.contract.service_times import WIDTH, start_of
from swapline_workers.core.schedule.histogram import BUCKETS

if TYPE_CHECKING:
    from swapline_workers.core.schedule.histogram import Histogram

DOUBT = 1.0
"""A job's worth of belief that anything may happen: the curve has tails where there were no jobs yet."""

DOUBT_SPREAD = 1.0
"""Standard deviation of the logarithm under that doubt: within a factor of 2.7, two times in three."""

BELL = 0.6
"""Of the spread times total**-0.2. Silverman's rule says 0.9, for one hump; less keeps two humps apart (measured)."""

STEPS = 5
"""Points of the curve to a bucket: looks are placed to 1 % of the time."""

BEYOND = 18
"""Buckets that the curve goes on after the last weight: three times as long."""

QUARTILES = 1.35
"""Standard deviations between the quartiles of a normal distribution."""

NARROWEST = 0.1
"""Buckets of spread at least: jobs that all take the same time still need a bell."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of jobs done by `times[i]` is `done[i]`; `spent[i]` is the mean of the times up to there, undivided."""

    times: tuple[float, ...]
    done: tuple[float, ...]
    spent: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Seconds of a job, of those that the curve covers."""
        return self.spent[-1] / self.done[-1]


def curve(histogram: Histogram) -> Curve:
    """Draw a smooth curve through a histogram that is not empty.

    Each weight is widened to a bell, and a wide doubt is added. The curve begins and ends where next to no job does.
    """
    weights = [histogram.weights.get(bucket, 0.0) for bucket in range(BUCKETS)]
    total = histogram.total
    low, middle, high = (_quantile(weights, total * part) for part in (0.25, 0.5, 0.75))
    spread = max((high - low) / QUARTILES, NARROWEST)
    smooth = _widened(weights, BELL * spread * total**-0.2)
    doubt = DOUBT / (DOUBT + total)
    filled = [bucket for bucket, weight in enumerate(smooth) if weight > 0]
    points = [n / STEPS for n in range(filled[0] * STEPS, min(filled[-1] + BEYOND, BUCKETS) * STEPS + 1)]
    times, done, spent = [0.0], [0.0], [0.0]
    below = 0.0
    for point in points:
        time = start_of(point)
        share = doubt * _normal((point - middle) * WIDTH / DOUBT_SPREAD) + (1 - doubt) * below / total
        spent.append(spent[-1] + (share - done[-1]) * (times[-1] + time) / 2)
        times.append(time)
        done.append(share)
        below += smooth[min(int(point), BUCKETS - 1)] / STEPS
    return Curve(tuple(times), tuple(done), tuple(spent))


def _quantile(weights: list[float], wanted: float) -> float:
    """Where, in buckets, so much of the weight lies below."""
    below = 0.0
    for bucket, weight in enumerate(weights):
        if weight and below + weight >= wanted:
            return bucket + (wanted - below) / weight
        below += weight
    return float(len(weights))


def _widened(weights: list[float], bell: float) -> list[float]:
    """Each weight spread over its neighbours as a bell whose standard deviation is `bell` buckets."""
    reach = ceil(3 * bell)
    shape = [exp(-((n / bell) ** 2) / 2) for n in range(-reach, reach + 1)]
    whole = sum(shape)
    smooth = [0.0] * len(weights)
    for bucket, weight in enumerate(weights):
        if weight:
            for n, share in enumerate(shape, bucket - reach):
                smooth[min(max(n, 0), BUCKETS - 1)] += weight * share / whole
    return smooth


def _normal(deviations: float) -> float:
    """The share of a normal distribution below so many standard deviations."""
    return (1 + erf(deviations / sqrt(2))) / 2
