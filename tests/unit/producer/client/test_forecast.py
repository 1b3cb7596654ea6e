from __future__ import annotations

import pytest

from swapline_producer.client.forecast import STORING_S, mean, seconds_left
from swapline_producer.contract import State
from swapline_producer.contract.jobs.service_times import start_of

EIGHT = 84
"""A bucket of about 8 s."""
MIDDLE = start_of(EIGHT + 0.5)
TIMES = {EIGHT: 50.0}


def test_nothing_is_said_before_enough_jobs_have_ended() -> None:
    assert seconds_left(State.RUNNING, 1, None, 3, {EIGHT: 19}, {EIGHT: 19}) is None
    assert seconds_left(State.QUEUED, 0, None, 3, TIMES, TIMES) is None
    assert seconds_left(State.QUEUED, 0, 1, 0, TIMES, TIMES) is None


def test_a_running_job_needs_what_is_left_of_its_time() -> None:
    assert seconds_left(State.RUNNING, 2, None, 3, TIMES, TIMES) == pytest.approx(MIDDLE - 2 + STORING_S)
    assert seconds_left(State.RUNNING, 100, None, 3, TIMES, TIMES) == pytest.approx(STORING_S)
    assert seconds_left(State.STORING, 9, None, 3, TIMES, TIMES) == STORING_S


def test_a_waiting_job_needs_its_turn_and_its_time() -> None:
    found = seconds_left(State.QUEUED, 0, 6, 3, TIMES, TIMES)
    assert found == pytest.approx(2 * MIDDLE + MIDDLE + STORING_S)


def test_a_rare_kind_is_expected_to_be_like_the_others() -> None:
    assert seconds_left(State.RUNNING, 0, None, 3, {10: 3}, TIMES) == pytest.approx(MIDDLE + STORING_S)


def test_the_mean_of_what_took_longer() -> None:
    assert mean({EIGHT: 1, 10: 99}, beyond=2) == pytest.approx(MIDDLE)
    assert mean({}, beyond=4) == 4
