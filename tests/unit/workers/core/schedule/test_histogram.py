from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_producer.contract.jobs.service_times import start_of
from swapline_workers.core.schedule.histogram import BORROWING, BUCKETS, Histogram, bucket_of, observed


@given(after=st.floats(0, 1e5), length=st.floats(0, 1e5))
def test_an_observation_weighs_one_job_and_lies_between_its_two_polls(after: float, length: float) -> None:
    spread = observed(after, after + length)
    assert math.isclose(sum(spread.values()), 1.0)
    assert set(spread) <= set(range(bucket_of(after), bucket_of(after + length) + 1))
    assert all(share >= 0 for share in spread.values())


def test_an_observation_is_spread_evenly_in_time() -> None:
    spread = observed(start_of(90), start_of(92))
    assert spread[91] / spread[90] == pytest.approx((start_of(92) - start_of(91)) / (start_of(91) - start_of(90)))


def test_a_job_done_by_its_first_poll_was_hardly_done_long_before() -> None:
    assert min(observed(0, 10)) == bucket_of(7)


@given(st.integers(0, BUCKETS - 1))
def test_a_bucket_holds_its_own_middle(bucket: int) -> None:
    assert bucket_of(start_of(bucket + 0.5)) == bucket


def test_times_beyond_the_last_bucket_are_in_the_last_bucket() -> None:
    assert bucket_of(1e9) == BUCKETS - 1
    assert bucket_of(0) == 0


def test_a_kind_without_jobs_borrows_the_shape_of_all_others() -> None:
    blended = Histogram({}).beside(Histogram({50: 30.0, 60: 70.0}))
    assert blended.total == BORROWING
    assert blended.weights[60] / blended.weights[50] == pytest.approx(70 / 30)


def test_a_kind_with_jobs_of_its_own_borrows_nothing() -> None:
    own = Histogram({10: BORROWING})
    assert own.beside(Histogram({50: 300.0})) is own


def test_nothing_can_be_borrowed_from_nobody() -> None:
    assert not Histogram({}).beside(Histogram({})).tells
