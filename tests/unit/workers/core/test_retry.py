from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_workers.core.retry import backoff, webhook_wait
from swapline_workers.settings import WEBHOOK_SCHEDULE


def test_the_backoff_doubles_up_to_its_bound() -> None:
    assert [backoff(tries) for tries in (1, 2, 3, 6, 7, 8, 10**9)] == [1, 2, 4, 32, 60, 60, 60]


def test_ten_deliveries_are_tried_over_75_hours() -> None:
    assert (len(WEBHOOK_SCHEDULE), sum(WEBHOOK_SCHEDULE) // 3600) == (10, 75)


@given(attempts=st.integers(1, 9), rng=st.floats(0, 1, exclude_max=True))
def test_each_wait_is_within_a_fifth_of_the_schedule(attempts: int, rng: float) -> None:
    planned = WEBHOOK_SCHEDULE[attempts]
    wait = webhook_wait(WEBHOOK_SCHEDULE, attempts, rng)
    assert wait is not None
    assert planned * 0.8 <= wait <= planned * 1.2


@pytest.mark.parametrize(("asked", "wait"), [(0, 300), (60, 300), (400, 440), (10**9, 660)])
def test_a_receivers_retry_after_is_clamped_to_twice_the_schedule(asked: float, wait: float) -> None:
    assert webhook_wait(WEBHOOK_SCHEDULE, 2, 0.5, asked) == pytest.approx(wait)


@given(attempts=st.integers(1, 9), rng=st.floats(0, 1, exclude_max=True), share=st.floats(0, 2))
def test_a_receiver_is_never_called_before_the_time_it_asked_for(attempts: int, rng: float, share: float) -> None:
    asked = WEBHOOK_SCHEDULE[attempts] * share
    wait = webhook_wait(WEBHOOK_SCHEDULE, attempts, rng, asked)
    assert wait is not None
    assert wait >= asked


def test_after_the_tenth_attempt_there_is_no_next_one() -> None:
    assert webhook_wait(WEBHOOK_SCHEDULE, 10, 0.5) is None
