"""The best moments to look, if jobs take as long as a curve says: found backwards from the end.

docs/decisions/0011-learned-schedule.md derives what is computed here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_workers.core.schedule.curve import Curve

TRIES = 4
"""Prices tried until a plan takes as many looks as wanted: looks go with 1 / sqrt(price), so each try comes close."""

CHEAPEST = 0.001
"""Of the mean time: a look is never worth less. Where jobs all take the same time, fewer looks than wanted are made."""


@dataclass(frozen=True, slots=True)
class Plan:
    """After a look at `times[i]` that found a job not done, the next one is at `polls[i]`."""

    times: tuple[float, ...]
    polls: tuple[float, ...]
    price: float
    """Seconds of an idle slot that one look is worth."""

    def after(self, elapsed: float) -> float:
        """Seconds from `elapsed` to the next look."""
        i = bisect_right(self.times, elapsed) - 1
        if i + 1 >= len(self.times):  # beyond every job so far: as if half of the rest were done in as long again
            return sqrt(2 * self.price * elapsed)
        part = (elapsed - self.times[i]) / (self.times[i + 1] - self.times[i])
        return self.polls[i] + part * (self.polls[i + 1] - self.polls[i]) - elapsed


def plan(curve: Curve, polls: float, shortest: float) -> Plan:
    """Plan for so many looks a job on average, none of them closer together than `shortest` seconds."""
    price = curve.mean / 100
    for _ in range(TRIES):
        nexts = _cheapest(curve, price, shortest)
        paid, price = price, max(price * (_polls(curve, nexts) / polls) ** 2, CHEAPEST * curve.mean)
    return Plan(curve.times, tuple(curve.times[j] for j in nexts), paid)


def _cheapest(curve: Curve, price: float, shortest: float) -> list[int]:
    """For each point the point of the next look, so that idle seconds + price * looks are least.

    cost(i) = price * left(i) + the least over j of (idle seconds of jobs done from i to j) + cost(j). Without what does
    not depend on j, that is the lowest at x = done(i) of lines with slopes -time(j). Both x and the slopes are sorted,
    so the lowest line is always the first of a queue.
    """
    times, done, spent = curve.times, curve.done, curve.spent
    end = len(times) - 1
    cost = (1 - done[end]) * price
    lines: deque[tuple[float, float, int]] = deque()  # (value at x = 0, time, point)
    nexts = [end] * len(times)
    costs = [cost] * len(times)
    fresh = end  # points from here on down are still too near to look at
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
    """Append a line; those that are nowhere the lowest any more go."""
    while len(lines) > 1:
        (a2, t2, _), (a1, t1, _), (a0, t0, _) = lines[-2], lines[-1], line
        if (a0 - a1) * (t2 - t1) > (a1 - a2) * (t1 - t0):
            break
        lines.pop()
    lines.append(line)


def _polls(curve: Curve, nexts: list[int]) -> float:
    """Looks a job takes on average."""
    polls, i = 0.0, 0
    while i < nexts[i]:
        polls += 1 - curve.done[i]
        i = nexts[i]
    return polls
