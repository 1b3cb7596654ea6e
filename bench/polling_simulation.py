"""Three slots, a line that never ends, and a schedule of polls: what happens, event by event and without waiting."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from math import log, pi, sin
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

from swapline_workers.core.schedule.histogram import Histogram, bucket_of, observed
from swapline_workers.core.schedule.polling import Bounds, growing_wait, next_wait

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS = 3
HAND_OVER = 0.03
"""Seconds from a poll that finds a job done to the next submission."""
LEARNING = 200
"""Jobs before those that are measured."""
FULL = 300
"""Jobs in a histogram at which it is halved, as `lua/moves/advance.lua` has it."""
FRESH = 5.0
"""Seconds that a histogram is used before it is read again, as `adapters/service_times.py` has it."""


@dataclass(frozen=True)
class World:
    """How long the n-th job takes when it begins at a moment, and whether the vendor can be reached then."""

    name: str
    lasts: Callable[[Random, float], float]
    away: Callable[[float], bool] = lambda _: False

    def service(self, job: int, at: float) -> float:
        """Seconds of the n-th job: the same whatever the schedule, but for what depends on the moment."""
        return self.lasts(Random(job * 7919), at)  # a prime apart: neighbours' first numbers would be alike


def lognormal(rng: Random, median: float, sigma: float) -> float:
    """Half of the jobs take less than the median."""
    rng.random()
    return rng.lognormvariate(log(median), sigma)


def two_humps(rng: Random) -> float:
    """Most jobs take 4 s; three in ten take 20 s, a cold start."""
    rng.random()
    return rng.choices((4, 20), (7, 3))[0] * rng.uniform(0.9, 1.1)


def outage(at: float) -> bool:
    """A minute in every quarter of an hour."""
    return at % 900 >= 840  # noqa: PLR2004 -- the last of its fifteen minutes


WORLDS = (
    World("lognormal 8 s, sigma 0.4", lambda rng, _: lognormal(rng, 8, 0.4)),
    World("lognormal 8 s, sigma 0.2", lambda rng, _: lognormal(rng, 8, 0.2)),
    World("two humps: 4 s and 20 s", lambda rng, _: two_humps(rng)),
    World("drifting, 8 to 16 s in an hour", lambda rng, at: lognormal(rng, 12 - 4 * sin(at / 3600 * pi), 0.3)),
    World("jumping, 8 and 24 s by half hours", lambda rng, at: lognormal(rng, (8, 24)[int(at / 1800) % 2], 0.3)),
    World("outages of a minute", lambda rng, _: lognormal(rng, 8, 0.4), outage),
)


@dataclass
class Running:
    """A job in a slot."""

    begun: float
    lasts: float
    polls: int = 0
    silent: int = 0
    """Looks in a row that did not reach the vendor."""
    looked: float = 0.0
    """Seconds from its beginning to the last poll that found it not done."""


class Schedule(Protocol):
    """Says when to look, and hears what came of it."""

    def wait(self, job: Running, now: float) -> float:
        """Seconds to the next poll. Only the oracle may know how long the job lasts."""

    def learn(self, after: float, by: float) -> None:
        """A job was done between these two moments of its life."""


@dataclass
class Fixed:
    """Poll at growing intervals, each wait `growth` times the one before it."""

    seconds: float
    growth: float = 1.0

    def wait(self, job: Running, now: float) -> float:  # noqa: ARG002 -- the protocol's shape
        """As `Schedule` has it."""
        return min(20.0, self.seconds * self.growth**job.polls)

    def learn(self, after: float, by: float) -> None:
        """Nothing."""


class Oracle:
    """Looks once, when the job is done, and once more when the vendor is back."""

    def wait(self, job: Running, now: float) -> float:
        """As `Schedule` has it."""
        return max(job.begun + job.lasts - now, 0.0) or 0.25

    def learn(self, after: float, by: float) -> None:
        """Nothing."""


class Learned:
    """The one that workers use, with a histogram of its own instead of the ledger's."""

    def __init__(self, budget: float) -> None:
        """`budget` is polls a job."""
        self._bounds = Bounds(0.25, 20, budget)
        self._weights: dict[int, float] = {}
        self._read_at = -FRESH
        self._times = Histogram({})

    def wait(self, job: Running, now: float) -> float:
        """As `Schedule` has it."""
        if now - self._read_at >= FRESH:
            self._times, self._read_at = Histogram(dict(self._weights)), now
        wait = next_wait(now - job.begun, self._times, self._bounds, polls=job.polls)
        return max(wait, growing_wait(job.silent - 1, self._bounds)) if job.silent else wait

    def learn(self, after: float, by: float) -> None:
        """As `Schedule` has it."""
        for bucket, share in observed(after, by).items():
            self._weights[bucket] = self._weights.get(bucket, 0.0) + share
        if sum(self._weights.values()) >= FULL:
            self._weights = {bucket: weight / 2 for bucket, weight in self._weights.items()}


class Known(Learned):
    """Knows beforehand how long jobs take, from ten thousand of them: what can be had at best by looking."""

    def __init__(self, budget: float, world: World) -> None:
        """Learn everything now."""
        super().__init__(budget)
        for job in range(10_000):
            bucket = bucket_of(world.service(-1 - job, 0.0))
            self._weights[bucket] = self._weights.get(bucket, 0.0) + 1

    def learn(self, after: float, by: float) -> None:
        """Nothing more."""


@dataclass
class Tally:
    """What came of a schedule."""

    services: list[float] = field(default_factory=list)
    polls: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    slot_seconds: float = 0.0

    @property
    def slot_use(self) -> float:
        """Service seconds by slot seconds."""
        return sum(self.services) / self.slot_seconds

    @property
    def polls_a_job(self) -> float:
        """Polls a job, the one that finds it done among them."""
        return fmean(self.polls)

    @property
    def delay(self) -> float:
        """Seconds, on average, from the end of a job to the poll that finds it done."""
        return fmean(self.delays)


def simulate(world: World, schedule: Schedule, jobs: int) -> Tally:
    """Let `number` jobs through, and measure those after the first LEARNING ones."""
    tally, begun, done = Tally(), 0, 0
    events: list[tuple[float, int, Running]] = []

    def begin(at: float, slot: int) -> None:
        nonlocal begun
        job = Running(at, world.service(begun, at))
        begun += 1
        heapq.heappush(events, (at + schedule.wait(job, at), slot, job))

    for slot in range(SLOTS):
        begin(0.0, slot)
    while done < jobs + LEARNING:
        now, slot, job = heapq.heappop(events)
        elapsed, away = now - job.begun, world.away(now)
        job.polls += 1
        if away or elapsed < job.lasts - 1e-9:  # a poll that was meant for the very end must not miss it by rounding
            job.silent = job.silent + 1 if away else 0
            job.looked = job.looked if away else elapsed
            heapq.heappush(events, (now + schedule.wait(job, now), slot, job))
            continue
        done += 1
        if not job.silent:
            schedule.learn(job.looked, elapsed)
        if done > LEARNING:
            tally.services.append(job.lasts)
            tally.polls.append(job.polls)
            tally.delays.append(max(elapsed - job.lasts, 0.0))
            tally.slot_seconds += elapsed + HAND_OVER
        begin(now + HAND_OVER, slot)
    return tally
