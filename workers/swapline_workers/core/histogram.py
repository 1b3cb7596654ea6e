"""How long the vendor works on a job: weights in buckets of the logarithm of time, and a smooth curve through them.

A look only says that a job was done between the look before and itself; its weight is spread over the time between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, erf, exp, log, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST = 0.05
"""Seconds where bucket 0 begins: no vendor draws a picture in less."""

WIDTH = 0.06
"""Each bucket is so much longer than the one before it (in the logarithm): half a second at 8 s."""

BUCKETS = 200
"""The last one ends at 8,100 s, beyond any job that is still waited for."""

BORROWED = 20.0
"""Jobs' worth of belief that a kind of job takes as long as all others do, until its own jobs outvote it."""

DOUBT = 3.0
"""Jobs' worth of belief that anything may happen: the curve has tails where there were no jobs yet."""

DOUBT_SPREAD = 1.0
"""Standard deviation of the logarithm under that doubt: within a factor of 2.7, two times in three."""


BELL = 0.9
"""Of the spread times total**-0.2: Silverman's rule for how much a sample must be smoothed."""

STEPS = 3
"""Points of the curve to a bucket: looks are placed to 2 % of the time."""

BEYOND = 18
"""Buckets that the curve goes on after the last weight: three times as long."""


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


@dataclass(frozen=True, eq=False)
class Histogram:
    """Bucket -> weight, a job's worth each. Compared by identity: what was made of one can be kept beside it."""

    weights: Mapping[int, float]

    @cached_property
    def total(self) -> float:
        """Jobs' worth of weight."""
        return sum(self.weights.values())

    def beside(self, others: Histogram) -> Histogram:
        """This one, with what it lacks borrowed from all the others."""
        if not others.total:
            return self
        share = min(1.0, BORROWED / others.total)
        buckets = self.weights.keys() | others.weights.keys()
        return Histogram({b: self.weights.get(b, 0.0) + share * others.weights.get(b, 0.0) for b in buckets})


def start_of(bucket: float) -> float:
    """Seconds at which a bucket begins."""
    return FIRST * exp(WIDTH * bucket)


def bucket_of(seconds: float) -> int:
    """The bucket of a time; the first and the last hold what lies beyond them."""
    return 0 if seconds <= FIRST else min(int(log(seconds / FIRST) / WIDTH), BUCKETS - 1)


def observed(after: float, by: float) -> dict[int, float]:
    """The weight of one job that was done `after` one moment and `by` another (seconds since its submission).

    Spread evenly in time. A job that was done by its very first look may have been done long before it: half of the
    time is as far as one job is believed, so that a vendor that gets faster is followed by halves and a steady one is
    not mistaken for a faster one.
    """
    since = min(max(after, by / 2), by)
    first, last = bucket_of(since), bucket_of(by)
    if first == last:
        return {last: 1.0}
    edges = [since, *(start_of(bucket) for bucket in range(first + 1, last + 1)), by]
    return {first + n: (edges[n + 1] - edges[n]) / (by - since) for n in range(last - first + 1)}


def curve(histogram: Histogram) -> Curve:
    """Draw a smooth curve through a histogram that is not empty.

    Each weight is widened to a bell, and a wide doubt is added. The curve begins and ends where next to no job does.
    """
    weights = [histogram.weights.get(bucket, 0.0) for bucket in range(BUCKETS)]
    middle, spread = _centre(weights, histogram.total)
    smooth = _widened(weights, BELL * spread * histogram.total**-0.2)
    doubt = DOUBT / (DOUBT + histogram.total)
    filled = [bucket for bucket, weight in enumerate(smooth) if weight > 0]
    points = [n / STEPS for n in range(filled[0] * STEPS, min(filled[-1] + BEYOND, BUCKETS) * STEPS + 1)]
    times, done, spent = [0.0], [0.0], [0.0]
    below = 0.0
    for point in points:
        time = start_of(point)
        share = doubt * _normal((point - middle) * WIDTH / DOUBT_SPREAD) + (1 - doubt) * below / histogram.total
        spent.append(spent[-1] + (share - done[-1]) * (times[-1] + time) / 2)
        times.append(time)
        done.append(share)
        below += smooth[min(int(point), BUCKETS - 1)] / STEPS
    return Curve(tuple(times), tuple(done), tuple(spent))


def _centre(weights: list[float], total: float) -> tuple[float, float]:
    """The median in buckets, and the spread in buckets: a robust standard deviation."""
    below, quartiles = 0.0, []
    for bucket, weight in enumerate(weights):
        while len(quartiles) < 3 and below + weight >= total * (len(quartiles) + 1) / 4:
            quartiles.append(bucket + (total * (len(quartiles) + 1) / 4 - below) / weight)
        below += weight
    return quartiles[1], (quartiles[2] - quartiles[0]) / 1.35


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
