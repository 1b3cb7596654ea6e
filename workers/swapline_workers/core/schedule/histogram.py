"""How long the vendor works on a job, as it was observed: weights in buckets of the logarithm of time.

A look only says that a job was done between the look before and itself; its weight is spread over the time between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import TYPE_CHECKING

from swapline_producer.contract.service_times import ENOUGH, FIRST, WIDTH, start_of

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKETS = 200
"""The last one ends at 8,100 s, beyond any job that is still waited for."""

BORROWING = 40.0
"""What a kind of job lacks to so many is borrowed from all kinds: a rare one begins as if it were like the others."""

SOONER = 0.7
"""Of the time of a first look that finds a job done: it was hardly done before. So a vendor that gets faster is
followed step by step, and a steady one is not mistaken for a faster one (bench/polling.py shows both)."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Bucket -> weight, a job's worth each. Compared by identity: what was made of one can be kept beside it."""

    weights: Mapping[int, float]

    @cached_property
    def total(self) -> float:
        """Jobs' worth of weight."""
        return sum(self.weights.values())

    @property
    def tells(self) -> bool:
        """Whether there were enough jobs."""
        return self.total >= ENOUGH

    def beside(self, others: Histogram) -> Histogram:
        """This one, with what it lacks borrowed from all the others."""
        if not others.total or self.total >= BORROWING:
            return self
        share = min(1.0, (BORROWING - self.total) / others.total)
        buckets = self.weights.keys() | others.weights.keys()
        return Histogram({b: self.weights.get(b, 0.0) + share * others.weights.get(b, 0.0) for b in buckets})


def bucket_of(seconds: float) -> int:
    """The bucket of a time; the first and the last hold what lies beyond them."""
    return 0 if seconds <= FIRST else min(int(log(seconds / FIRST) / WIDTH), BUCKETS - 1)


def observed(after: float, by: float) -> dict[int, float]:
    """The weight of one job that was done `after` one moment and `by` another (seconds since its submission).

    Spread evenly in time. A job that was done by its very first look may have been done long before it; SOONER is as
    far as one job is believed.
    """
    since = min(max(after, by * SOONER), by)
    first, last = bucket_of(since), bucket_of(by)
    if first == last:
        return {last: 1.0}
    edges = [since, *(start_of(bucket) for bucket in range(first + 1, last + 1)), by]
    return {first + n: (edges[n + 1] - edges[n]) / (by - since) for n in range(last - first + 1)}
