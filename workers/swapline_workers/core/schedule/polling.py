"""When to look again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, log2
from typing import TYPE_CHECKING

from swapline_workers.core.schedule.curve import curve
from swapline_workers.core.schedule.plan import Plan, plan

if TYPE_CHECKING:
    from swapline_workers.core.schedule.histogram import Histogram

EASY = 250.0
"""Looks a second that two cores make beside everything else; below 60 jobs in flight it says nothing."""

GROWTH = 1.5
"""Each wait is so much longer than the one before it, until a schedule has been learned."""

HELD = 1.0
"""A status call that took this many seconds was held by the vendor until there was news; it paces itself."""

AT_LEISURE = 0.7
"""Of the looks, when nobody waits for the slot: an idle slot costs nothing then, only the customer waits."""

PLANS = 256
"""Plans kept: one for each kind of job (there are 36), with and without somebody waiting, and some that are going."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shortest and the longest wait between two looks, in seconds, and how many looks a job should take."""

    shortest: float
    longest: float
    polls: float = 7.0


def eased(bounds: Bounds, in_flight: int) -> Bounds:
    """Give the bounds that hold while so many jobs are in flight: each is looked at the less often the more they are.

    With a shortest wait of `in_flight / EASY` seconds all jobs together are looked at EASY times a second at most,
    however little is known of them yet. It is rounded up to a power of two, so that plans are made seldom.
    """
    least = in_flight / EASY
    if least <= bounds.shortest:
        return bounds
    shortest = min(2.0 ** ceil(log2(least)), bounds.longest)
    return replace(bounds, shortest=max(shortest, bounds.shortest))


def next_wait(
    elapsed: float,
    times: Histogram | None,
    bounds: Bounds,
    *,
    polls: int = 0,
    waited_for: bool = True,
    held: float = 0.0,
) -> float:
    """Seconds from a look that found the job not done to the next one.

    `elapsed` is how many seconds ago it was submitted (0: the first look); `times` how long others of its kind took;
    `polls` how many looks there were; `waited_for` whether others wait for its slot; `held` how many seconds the
    vendor kept the last look waiting.
    """
    if held >= HELD:
        return bounds.shortest
    if times is None or not times.tells:
        return growing_wait(polls, bounds)
    return min(max(planned(times, bounds, waited_for=waited_for).after(elapsed), bounds.shortest), bounds.longest)


def growing_wait(polls: int, bounds: Bounds) -> float:
    """Seconds to wait after so many looks when nothing is known: the bounded exponential."""
    # The exponent is capped: 1.5 ** 60 is beyond any bound, and a float overflows at 1.5 ** 1751.
    return min(bounds.longest, bounds.shortest * GROWTH ** min(polls, 60))


@lru_cache(PLANS)
def planned(times: Histogram, bounds: Bounds, *, waited_for: bool) -> Plan:
    """Plan the looks at jobs of a kind: two milliseconds, once for each new version of its histogram."""
    return plan(curve(times), bounds.polls * (1.0 if waited_for else AT_LEISURE), bounds.shortest)
