from __future__ import annotations

from swapline_producer.contract import FINISHED, State
from swapline_workers.core.lifecycle import ROUTES


def test_every_state_that_is_not_at_rest_has_a_step() -> None:
    waiting = [state for state in State if state not in FINISHED and state is not State.HELD]
    assert all(state.value in ROUTES for state in waiting)
    assert all(f"{state.value}+pending" in ROUTES for state in [*FINISHED, State.HELD])
