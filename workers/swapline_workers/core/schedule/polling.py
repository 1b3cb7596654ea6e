"""The delay until the next poll."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, log2
from typing import TYPE_CHECKING

from swapline_workers.core.schedule.curve import curve
from swapline_workers.core.schedule.plan import Plan, plan

if TYPE_CHECKING:
    from swapline_workers.core.schedule.histogram import Histogram

POLLS_PER_SECOND_TARGET = 250.0
"""What two cores make; without effect below 60 jobs in flight."""

GROWTH = 1.5
"""Factor from delay to delay until a schedule has been learned."""

LONG_POLL_S = 1.0
"""A poll that the vendor answers this late paces itself."""

UNCONTESTED_POLLS = 0.7
"""Share of polls made when no job waits for the slot."""

PLANS = 256


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds between polls, and polls of a job."""

    shortest: float
    longest: float
    polls: float = 7.0


def eased(bounds: Bounds, in_flight: int) -> Bounds:
    """Return the bounds for these jobs in flight: the more, the fewer polls each.

    In powers of two, so that plans are made seldom.
    """
    least = in_flight / POLLS_PER_SECOND_TARGET
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
    answered_after: float = 0.0,
) -> float:
    """Return the seconds to the next poll of a job that is not done.

    `elapsed`: seconds since the submission; `waited_for`: jobs wait for its slot; `answered_after`: seconds
    until the last poll was answered.
    """
    if answered_after >= LONG_POLL_S:
        return bounds.shortest
    if times is None or not times.tells:
        return growing_wait(polls, bounds)
    return min(max(planned(times, bounds, waited_for=waited_for).after(elapsed), bounds.shortest), bounds.longest)


def growing_wait(polls: int, bounds: Bounds) -> float:
    """Return the seconds to wait without a learned schedule: bounded exponential."""
    # the exponent is capped: a float overflows at 1.5 ** 1751
    return min(bounds.longest, bounds.shortest * GROWTH ** min(polls, 60))


@lru_cache(PLANS)
def planned(times: Histogram, bounds: Bounds, *, waited_for: bool) -> Plan:
    """Plan a kind's polls: 2 ms, once for each version of its histogram."""
    return plan(curve(times), bounds.polls * (1.0 if waited_for else UNCONTESTED_POLLS), bounds.shortest)
