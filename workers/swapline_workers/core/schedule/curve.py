"""A smooth curve through a histogram: the share of jobs done by a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, erf, exp, sqrt
from typing import TYPE_CHECKING

from swapline_producer.contract.jobs.service_times import WIDTH, start_of
from swapline_workers.core.schedule.histogram import BUCKETS

if TYPE_CHECKING:
    from swapline_workers.core.schedule.histogram import Histogram

DOUBT = 1.0
"""Jobs' worth of prior, which gives the curve tails."""

DOUBT_SPREAD = 1.0
"""Spread of the prior's logarithm: a factor of 2.7."""

BELL = 0.6
"""Bell's width is this times spread times total**-0.2: Silverman's 0.9 would melt two humps (measured)."""

STEPS = 5
"""Points per bucket: polls are placed to 1 %."""

BEYOND = 18
"""Buckets beyond the last weight: three times as long."""

QUARTILES = 1.35
"""Standard deviations between quartiles."""

NARROWEST = 0.1
"""Least spread, in buckets."""


@dataclass(frozen=True, slots=True)
class Curve:
    """`done[i]`: share of jobs done by `times[i]`; `spent[i]`: the sum of the times up to there."""

    times: tuple[float, ...]
    done: tuple[float, ...]
    spent: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean seconds of the jobs that the curve covers."""
        return self.spent[-1] / self.done[-1]


def curve(histogram: Histogram) -> Curve:
    """Return a smooth curve through a histogram: bells at weights, and a wide prior."""
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
    below = 0.0
    for bucket, weight in enumerate(weights):
        if weight and below + weight >= wanted:
            return bucket + (wanted - below) / weight
        below += weight
    return float(len(weights))


def _widened(weights: list[float], bell: float) -> list[float]:
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
    return (1 + erf(deviations / sqrt(2))) / 2
