"""A set that grows while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_workers.dispatch.worker_state import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_set_that_grows_while_it_is_read_is_read_again() -> None:
    class Growing:
        """A set that behaves as a WeakSet does while another thread adds to it."""

        def __init__(self) -> None:
            self.times = 0

        def __iter__(self) -> Iterator[str]:
            self.times += 1
            yield "a"
            if self.times < 3:
                raise RuntimeError("Set changed size during iteration")
            yield "b"

    assert snapshot(Growing()) == ["a", "b"]
