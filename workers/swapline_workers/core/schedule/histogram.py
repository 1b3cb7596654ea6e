"""Observed service times: weights in logarithmic buckets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import TYPE_CHECKING

from swapline_producer.contract.jobs.service_times import ENOUGH, FIRST, WIDTH, start_of

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKETS = 200
"""To 8,100 s, beyond any run timeout."""

BORROWING = 40.0
"""Jobs that a kind borrows from all kinds."""

EARLIEST_SHARE = 0.7
"""A job that its first poll finds done hardly ended before this share of the time until then (bench/polling.py)."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Bucket -> weight in jobs. Compared by identity, as a key of caches."""

    weights: Mapping[int, float]

    @cached_property
    def total(self) -> float:
        """The weight in jobs."""
        return sum(self.weights.values())

    @property
    def tells(self) -> bool:
        """Whether there were enough jobs."""
        return self.total >= ENOUGH

    def beside(self, others: Histogram) -> Histogram:
        """Return this one, with what it lacks borrowed from all others."""
        if not others.total or self.total >= BORROWING:
            return self
        share = min(1.0, (BORROWING - self.total) / others.total)
        buckets = self.weights.keys() | others.weights.keys()
        return Histogram({b: self.weights.get(b, 0.0) + share * others.weights.get(b, 0.0) for b in buckets})


def bucket_of(seconds: float) -> int:
    """Return a time's bucket; the first and last are open-ended."""
    return 0 if seconds <= FIRST else min(int(log(seconds / FIRST) / WIDTH), BUCKETS - 1)


def observed(after: float, by: float) -> dict[int, float]:
    """Return the weight of one job that ended between `after` and `by` (seconds), by bucket.

    A first poll (`after` 0) counts over the last 30 % of its time.
    """
    since = min(max(after, by * EARLIEST_SHARE), by)
    first, last = bucket_of(since), bucket_of(by)
    if first == last:
        return {last: 1.0}
    edges = [since, *(start_of(bucket) for bucket in range(first + 1, last + 1)), by]
    return {first + n: (edges[n + 1] - edges[n]) / (by - since) for n in range(last - first + 1)}
