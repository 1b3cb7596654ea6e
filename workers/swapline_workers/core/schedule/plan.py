"""The best times to poll by a curve of service times, found backwards. See decision 0011."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_workers.core.schedule.curve import Curve

TRIES = 4
"""Prices tried; the number of polls goes with 1 / sqrt(price)."""

CHEAPEST = 0.001
"""Lower bound of a poll's price, of the mean service time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """After a poll at `times[i]`, the next is at `polls[i]`."""

    times: tuple[float, ...]
    polls: tuple[float, ...]
    price: float
    """Seconds of an idle slot that one poll is worth."""

    def after(self, elapsed: float) -> float:
        """Return the seconds from `elapsed` to the next poll."""
        i = bisect_right(self.times, elapsed) - 1
        if i + 1 >= len(self.times):  # beyond every job so far: half of the rest may be done in as long again
            return sqrt(2 * self.price * elapsed)
        part = (elapsed - self.times[i]) / (self.times[i + 1] - self.times[i])
        return self.polls[i] + part * (self.polls[i + 1] - self.polls[i]) - elapsed


def plan(curve: Curve, polls: float, shortest: float) -> Plan:
    """Plan a mean number of polls, at least `shortest` seconds apart."""
    price = curve.mean / 100
    for _ in range(TRIES):
        nexts = _cheapest(curve, price, shortest)
        paid, price = price, max(price * (_polls(curve, nexts) / polls) ** 2, CHEAPEST * curve.mean)
    return Plan(curve.times, tuple(curve.times[j] for j in nexts), paid)


def _cheapest(curve: Curve, price: float, shortest: float) -> list[int]:
    """Return each point's next poll, with the least idle seconds + price * polls.

    cost(i) = price * left(i) + the least over j of (idle seconds of jobs done from i to j) + cost(j): the lowest at x =
    done(i) of lines with slopes -time(j). Both are sorted, so that line is the first of a queue.
    """
    times, done, spent = curve.times, curve.done, curve.spent
    end = len(times) - 1
    cost = (1 - done[end]) * price
    lines: deque[tuple[float, float, int]] = deque()  # (value at x = 0, time, point)
    nexts = [end] * len(times)
    costs = [cost] * len(times)
    fresh = end  # points from here on are still too near to poll
    for i in range(end - 1, -1, -1):
        while fresh > i and (times[fresh] - times[i] >= shortest or fresh == end):
            _add(lines, (times[fresh] * done[fresh] - spent[fresh] + costs[fresh], times[fresh], fresh))
            fresh -= 1
        x = done[i]
        while len(lines) > 1 and lines[1][0] - lines[1][1] * x <= lines[0][0] - lines[0][1] * x:
            lines.popleft()
        value, time, nexts[i] = lines[0]
        costs[i] = price * (1 - x) + value - time * x + spent[i]
    return nexts


def _add(lines: deque[tuple[float, float, int]], line: tuple[float, float, int]) -> None:
    while len(lines) > 1:
        (a2, t2, _), (a1, t1, _), (a0, t0, _) = lines[-2], lines[-1], line
        if (a0 - a1) * (t2 - t1) > (a1 - a2) * (t1 - t0):
            break
        lines.pop()
    lines.append(line)


def _polls(curve: Curve, nexts: list[int]) -> float:
    polls, i = 0.0, 0
    while i < nexts[i]:
        polls += 1 - curve.done[i]
        i = nexts[i]
    return polls
