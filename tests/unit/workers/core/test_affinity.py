"""Which processor a worker's threads share."""

from __future__ import annotations

import pytest

from swapline_workers.core.affinity import CROWDED, FITS_ONE, FREE_ENOUGH, SPREADS_FROM, choose


def test_an_idle_process_takes_the_least_busy_processor() -> None:
    assert choose(0.1, {0: 0.15, 1: 0.05, 2: 0.1}, None) == 1


def test_of_equals_it_takes_the_last() -> None:
    assert choose(0.0, {0: 0.0, 1: 0.0}, None) == 1


def test_it_stays_where_it_is_while_others_leave_it_room() -> None:
    assert choose(0.5, {0: 0.0, 1: CROWDED}, 1) == 1


def test_it_goes_where_others_have_come() -> None:
    assert choose(0.5, {0: 0.0, 1: CROWDED + 0.01}, 1) == 0


def test_where_every_processor_is_busy_it_spreads() -> None:
    assert choose(0.5, {0: FREE_ENOUGH + 0.01, 1: CROWDED + 0.01}, 1) is None
    assert choose(0.5, {0: FREE_ENOUGH + 0.01, 1: FREE_ENOUGH + 0.01}, None) is None


@pytest.mark.parametrize(("here", "most"), [(None, FITS_ONE), (1, SPREADS_FROM)])
def test_who_has_more_to_do_than_one_processor_can_spreads(here: int | None, most: float) -> None:
    quiet = {0: 0.0, 1: 0.0}
    assert choose(most, quiet, here) == 1
    assert choose(most + 0.01, quiet, here) is None


def test_a_processor_that_was_taken_away_is_left() -> None:
    assert choose(0.1, {0: 0.0}, 1) == 0
