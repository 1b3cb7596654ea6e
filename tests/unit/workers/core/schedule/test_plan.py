"""The plan is compared with the best of all plans, found by trying each pair of points."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapline_producer.contract.jobs.service_times import start_of
from swapline_workers.core.schedule.curve import Curve, curve
from swapline_workers.core.schedule.histogram import BUCKETS, Histogram, bucket_of
from swapline_workers.core.schedule.plan import _cheapest, plan


def curves_of(buckets: st.SearchStrategy[int]) -> st.SearchStrategy[Curve]:
    """Curves through up to twenty buckets."""
    return st.dictionaries(buckets, st.floats(0.1, 100), min_size=1, max_size=20).map(Histogram).map(curve)


curves = curves_of(st.integers(0, BUCKETS - 1))
narrow_curves = curves_of(st.integers(70, 95))


def cost_of(drawn: Curve, price: float, timestamps: list[int]) -> float:
    """Idle seconds + price * looks of a job, for looks at these points of the curve; the last point is the end."""
    idle, polls = 0.0, 0.0
    for start, end in pairwise([0, *timestamps]):
        polls += 1 - drawn.done[start]
        idle += drawn.times[end] * (drawn.done[end] - drawn.done[start]) - (drawn.spent[end] - drawn.spent[start])
    return idle + price * (polls + 1 - drawn.done[-1])


def best_cost(drawn: Curve, price: float, shortest: float) -> float:
    """The least cost of all, by trying every next poll after every poll."""
    end = len(drawn.times) - 1
    costs = [(1 - drawn.done[end]) * price] * (end + 1)
    for i in range(end - 1, -1, -1):
        allowed = [j for j in range(i + 1, end + 1) if drawn.times[j] - drawn.times[i] >= shortest or j == end]
        costs[i] = min(
            price * (1 - drawn.done[i])
            + drawn.times[j] * (drawn.done[j] - drawn.done[i])
            - (drawn.spent[j] - drawn.spent[i])
            + costs[j]
            for j in allowed
        )
    return costs[0]


def path(nexts: list[int]) -> list[int]:
    timestamps = [nexts[0]]
    while nexts[timestamps[-1]] > timestamps[-1]:
        timestamps.append(nexts[timestamps[-1]])
    return timestamps


@settings(max_examples=30, deadline=None)  # trying everything takes some tenths of a second
@given(drawn=narrow_curves, price=st.floats(0.001, 10), shortest=st.floats(0.01, 1))
def test_no_plan_is_cheaper(drawn: Curve, price: float, shortest: float) -> None:
    found = cost_of(drawn, price, path(_cheapest(drawn, price, shortest)))
    assert found == pytest.approx(best_cost(drawn, price, shortest), rel=1e-6)


@settings(deadline=None)  # a busy machine is no error
@given(drawn=curves)
def test_a_curve_rises_from_nothing_to_nearly_everything(drawn: Curve) -> None:
    assert drawn.done[0] == 0
    assert all(sooner <= later + 1e-9 for sooner, later in pairwise(drawn.done))
    assert all(sooner < later for sooner, later in pairwise(drawn.times))
    assert 0.4 < drawn.done[-1] <= 1 + 1e-9


def lognormal(median: float, sigma: float) -> Histogram:
    """300 jobs, as many in each bucket as there should be."""
    below = [NormalDist().cdf((bucket - bucket_of(median)) * 0.06 / sigma) for bucket in range(BUCKETS + 1)]
    return Histogram({b: 300 * (below[b + 1] - below[b]) for b in range(BUCKETS) if below[b + 1] - below[b] > 1e-4})


@pytest.mark.parametrize("polls", [3, 4.5, 7, 10])
def test_a_plan_takes_as_many_polls_as_wished(polls: float) -> None:
    drawn = curve(lognormal(8, 0.4))
    made = plan(drawn, polls, 0.05)
    taken, now = 0.0, 0.0
    while now < drawn.times[-1]:
        taken += 1 - drawn.done[max(i for i, time in enumerate(drawn.times) if time <= now + 1e-9)]
        now += made.after(now)
    assert taken == pytest.approx(polls, rel=0.08)  # looks are whole: from one price to the next there are jumps


def test_two_humps_are_polled_twice_and_the_valley_between_them_hardly() -> None:
    humps = Histogram({**dict.fromkeys(range(72, 75), 40.0), **dict.fromkeys(range(99, 102), 40.0)})
    made = plan(curve(humps), 7, 0.05)
    now, timestamps = 0.0, []
    while now < 30:
        now += made.after(now)
        timestamps.append(now)
    valley = start_of(80), start_of(95)
    assert sum(valley[0] < timestamp < valley[1] for timestamp in timestamps) <= 2
    assert sum(timestamp <= valley[0] for timestamp in timestamps) >= 2
    assert sum(timestamp >= valley[1] for timestamp in timestamps) >= 2
