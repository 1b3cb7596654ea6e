from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapline_workers.core.schedule.histogram import BUCKETS, Histogram, bucket_of
from swapline_workers.core.schedule.polling import (
    POLLS_PER_SECOND_TARGET,
    Bounds,
    eased,
    growing_wait,
    next_wait,
    planned,
)

bounds = st.builds(Bounds, st.floats(0.01, 5), st.floats(5, 100), st.floats(2, 100))
histograms = st.dictionaries(st.integers(0, BUCKETS - 1), st.floats(0.01, 300), min_size=1, max_size=60).map(Histogram)

STEADY = Histogram({bucket_of(seconds): 30.0 for seconds in (5, 6, 7, 8, 9, 10, 12, 14)})
"""240 jobs of 5 to 14 s."""
USUAL = Bounds(0.25, 20)


def polls_at(times: Histogram, bounds: Bounds, *, waited_for: bool = True, until: float = 60) -> list[float]:
    """The moments at which a job that is never done is polled."""
    timestamps = [next_wait(0, times, bounds, waited_for=waited_for)]
    while timestamps[-1] < until:
        timestamps.append(timestamps[-1] + next_wait(timestamps[-1], times, bounds, waited_for=waited_for))
    return timestamps


@settings(deadline=None)  # a plan is made for each example, and a busy machine is no error
@given(
    elapsed=st.floats(0, 1e7),
    times=histograms,
    answered_after=st.floats(0, 100),
    bounds=bounds,
    waited_for=st.booleans(),
)
def test_a_wait_is_always_within_its_bounds(
    elapsed: float, times: Histogram, answered_after: float, bounds: Bounds, waited_for: bool
) -> None:
    wait = next_wait(elapsed, times, bounds, waited_for=waited_for, answered_after=answered_after)
    assert bounds.shortest <= wait <= bounds.longest


@given(polls=st.integers(0, 10**9), bounds=bounds)
def test_waits_grow_within_their_bounds_while_nothing_is_known(polls: int, bounds: Bounds) -> None:
    wait = next_wait(1, None, bounds, polls=polls)
    assert bounds.shortest <= wait <= next_wait(1, None, bounds, polls=polls + 1) <= bounds.longest


def test_waits_grow_by_a_half_while_nothing_is_known() -> None:
    assert [growing_wait(polls, Bounds(1, 20)) for polls in range(4)] == [1, 1.5, 2.25, 3.375]


def test_nineteen_jobs_are_too_few_to_plan_by() -> None:
    few = Histogram({bucket_of(8): 19.0})
    assert next_wait(0, few, Bounds(1, 20), polls=2) == growing_wait(2, Bounds(1, 20))


def test_a_held_call_is_followed_by_the_shortest_wait() -> None:
    assert next_wait(3, STEADY, USUAL, answered_after=1.0) == 0.25


def test_no_poll_comes_before_a_job_can_be_done_and_polls_are_dense_where_jobs_get_done() -> None:
    timestamps = polls_at(STEADY, USUAL)
    assert 4 < timestamps[0] < 5.7
    between = [sum(start <= timestamp < start + 4 for timestamp in timestamps) for start in (1, 5, 9, 20)]
    assert between[0] <= 1
    assert between[1] > 3 * between[0]
    assert between[1] > between[3]


def test_a_job_that_takes_longer_than_any_before_is_polled_ever_less_often() -> None:
    timestamps = polls_at(STEADY, Bounds(0.25, 60), until=2000)
    waits = [later - sooner for sooner, later in pairwise(timestamps) if sooner > 60]
    assert waits == sorted(waits)
    assert len([timestamp for timestamp in timestamps if timestamp > 14]) < 300


def test_more_polls_are_made_where_more_are_wished() -> None:
    many, few = polls_at(STEADY, Bounds(0.1, 20, polls=9)), polls_at(STEADY, Bounds(0.1, 20, polls=4))
    assert len([m for m in many if m < 14]) > 1.5 * len([m for m in few if m < 14])


def test_a_job_whose_slot_nobody_waits_for_is_polled_less_often() -> None:
    leisurely = polls_at(STEADY, USUAL, waited_for=False)
    assert len([m for m in leisurely if m < 14]) < len([m for m in polls_at(STEADY, USUAL) if m < 14])


def test_a_plan_is_made_once_for_each_version_of_a_histogram() -> None:
    again = Histogram(dict(STEADY.weights))
    first = planned(STEADY, USUAL, waited_for=True)
    assert planned(STEADY, USUAL, waited_for=True) is first
    assert planned(again, USUAL, waited_for=True) is not first


@pytest.mark.parametrize("seconds", [0.06, 1.0, 8.0, 600.0, 8000.0])
def test_jobs_that_all_take_the_same_time_are_polled_when_they_are_done(seconds: float) -> None:
    same = Histogram({bucket_of(seconds): 200.0})
    timestamps = polls_at(same, Bounds(0.01, 1e4), until=2 * seconds)
    assert any(abs(timestamp - seconds) < 0.1 * seconds for timestamp in timestamps)


@given(in_flight=st.integers(0, 10_000), shortest=st.sampled_from([0.05, 0.25, 5]))
def test_all_jobs_together_are_polled_so_often_at_most(in_flight: int, shortest: float) -> None:
    bounds = eased(Bounds(shortest, 100), in_flight)
    assert in_flight / bounds.shortest <= POLLS_PER_SECOND_TARGET * 1.001
    assert shortest <= bounds.shortest <= max(shortest, 2 * in_flight / POLLS_PER_SECOND_TARGET)


def test_few_jobs_in_flight_are_polled_as_before() -> None:
    assert eased(Bounds(0.25, 20), 60) == Bounds(0.25, 20)


def test_the_longest_wait_holds_however_many_are_in_flight() -> None:
    assert eased(Bounds(0.25, 20), 10_000).shortest == 20
