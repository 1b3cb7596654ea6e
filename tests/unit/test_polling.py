from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swapline_workers.core.polling import Bounds, next_wait

bounds = st.tuples(st.floats(0.01, 5), st.floats(5, 100)).map(lambda pair: Bounds(*pair))


@given(looks=st.integers(0, 10**9), held=st.floats(0, 100), bounds=bounds)
def test_a_wait_is_always_within_its_bounds(looks: int, held: float, bounds: Bounds) -> None:
    assert bounds.shortest <= next_wait(looks, bounds, held=held) <= bounds.longest


@given(looks=st.integers(0, 10**6), bounds=bounds)
def test_waits_never_get_shorter(looks: int, bounds: Bounds) -> None:
    assert next_wait(looks, bounds) <= next_wait(looks + 1, bounds)


def test_a_held_call_is_followed_by_the_shortest_wait() -> None:
    assert next_wait(50, Bounds(0.25, 20), held=1.0) == 0.25


def test_waits_grow_by_a_half() -> None:
    assert [next_wait(looks, Bounds(1, 20)) for looks in range(4)] == [1, 1.5, 2.25, 3.375]
