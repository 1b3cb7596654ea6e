"""How many deliveries are admitted at a time, and to which hosts, at a time that the test moves."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_workers.core.bulkhead import DeliveryBulkhead


class ManualClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Traffic:
    """Deliveries that begin and end when the test calls for it."""

    def __init__(self, bulkhead: int = 8) -> None:
        self.clock = ManualClock()
        self.bulkhead = DeliveryBulkhead(bulkhead, self.clock)
        self.under_way = ExitStack()

    def admitted(self, host: str) -> bool:
        """Begin a delivery that never ends."""
        return self.under_way.enter_context(self.bulkhead.permit(host)).wait == 0

    def deliver(self, host: str, *, seconds: float = 0.1, failed: bool = False) -> float:
        with self.bulkhead.permit(host) as permit:
            if not permit.wait:
                self.clock.now += seconds
            permit.failed = failed
        return permit.wait

    def fill(self, host: str) -> int:
        """Begin as many deliveries as are admitted, end none, and return their number."""
        return next(number for number in range(100) if not self.admitted(host))


def test_a_new_host_may_have_one_delivery_and_a_fast_one_three_quarters_of_the_number() -> None:
    traffic = Traffic()
    assert traffic.fill("new") == 1
    traffic = Traffic()
    traffic.deliver("fast")
    assert traffic.fill("fast") == 6


def test_hosts_that_hang_leave_room_for_a_fast_one_however_many_they_are() -> None:
    traffic = Traffic()
    traffic.deliver("fast")
    for number in range(100):
        traffic.fill(f"hangs-{number}")
        traffic.clock.now += 1
    assert traffic.fill("fast") == 2


def test_one_host_that_hangs_leaves_room_for_a_new_one() -> None:
    traffic = Traffic()
    traffic.fill("hangs")
    traffic.clock.now += 2
    assert traffic.fill("new") == 1


def test_a_fast_host_that_begins_to_hang_leaves_room_for_the_others() -> None:
    traffic = Traffic()
    traffic.deliver("changes")
    traffic.deliver("fast")
    traffic.fill("changes")
    assert traffic.fill("fast") == 2


def test_a_slow_host_has_two_deliveries_and_one_that_fails_slowly_has_one() -> None:
    traffic = Traffic()
    traffic.deliver("slow", seconds=3)
    assert traffic.fill("slow") == 2
    traffic = Traffic()
    traffic.deliver("fails", seconds=15, failed=True)
    assert traffic.fill("fails") == 1


def test_after_three_failures_in_a_row_a_host_gets_no_delivery_for_twice_as_long_as_the_last_took() -> None:
    traffic = Traffic()
    assert [traffic.deliver("hangs", seconds=5, failed=True) for _ in range(3)] == [0, 0, 0]
    assert traffic.deliver("hangs") == 10
    traffic.clock.now += 9.9
    assert traffic.deliver("hangs") > 0
    traffic.clock.now += 0.2
    assert traffic.fill("hangs") == 1


def test_no_breaker_is_open_for_longer_than_half_a_minute() -> None:
    traffic = Traffic()
    for _ in range(3):
        traffic.deliver("hangs", seconds=600, failed=True)
    assert traffic.deliver("hangs") == 30


def test_the_breaker_of_a_host_that_refuses_at_once_is_open_for_milliseconds() -> None:
    traffic = Traffic()
    for _ in range(50):
        traffic.deliver("dead", seconds=0.001, failed=True)
        traffic.clock.now += 0.002
    assert traffic.admitted("dead")


def test_a_success_closes_the_breaker() -> None:
    traffic = Traffic()
    for _ in range(3):
        traffic.deliver("host", seconds=5, failed=True)
    traffic.clock.now += 11
    assert traffic.deliver("host") == 0
    assert traffic.fill("host") == 6


def test_deliveries_that_are_refused_ask_again_one_after_the_other() -> None:
    traffic = Traffic()
    traffic.fill("hangs")
    traffic.clock.now += 2
    traffic.fill("hangs")
    waits = [traffic.deliver("hangs") for _ in range(100)]
    assert waits == sorted(set(waits))
    assert waits[-1] - waits[0] == pytest.approx(99 * 0.05)


@given(bulkhead=st.integers(1, 40), hosts=st.lists(st.sampled_from("abcdef"), max_size=200), steps=st.floats(0, 2))
def test_there_are_never_more_deliveries_than_the_number(bulkhead: int, hosts: list[str], steps: float) -> None:
    traffic = Traffic(bulkhead)
    admitted = 0
    for host in hosts:
        admitted += traffic.admitted(host)
        traffic.clock.now += steps
    assert admitted <= bulkhead
    assert admitted >= min(1, len(hosts))


def test_where_threads_are_cheap_150_hosts_that_hang_keep_no_new_one_waiting() -> None:
    traffic = Traffic()
    traffic.bulkhead.widen(256)
    left = [f"hangs-{number}" for number in range(150)]
    while left:
        left = [host for host in left if not traffic.admitted(host)]
        assert traffic.clock.now < 2, "they wait for each other"
        traffic.clock.now += 0.2
    assert traffic.admitted("new")
    traffic.clock.now += 10
    assert traffic.admitted("another")


def test_more_places_are_for_hosts_that_keep_them_long_not_for_those_that_use_the_processor() -> None:
    traffic = Traffic(8)
    traffic.bulkhead.widen(256)
    for host in ("one", "two", "three"):
        traffic.deliver(host)
    assert [traffic.fill(host) for host in ("one", "two", "three")] == [6, 2, 0]
    assert traffic.fill("new") == 1


def test_deliveries_to_a_hundred_slow_hosts_ask_again_fifty_times_a_second_in_all() -> None:
    traffic = Traffic()
    traffic.bulkhead.widen(256)
    hosts = [f"slow-{number}" for number in range(100)]
    for host in hosts:
        traffic.deliver(host, seconds=15, failed=True)
        traffic.fill(host)
    waits = sorted(traffic.deliver(host) for host in hosts for _ in range(10))
    assert waits[-1] - waits[0] == pytest.approx(1000 * 0.02, abs=1)
    assert traffic.admitted("new"), "a new host does not wait behind them"


def test_two_deliveries_that_begin_at_the_same_time_end_each_for_itself() -> None:
    traffic = Traffic()
    traffic.deliver("host")
    with traffic.bulkhead.permit("host") as first:
        with traffic.bulkhead.permit("host") as second:
            assert second.wait == 0
        first.failed = True
    assert traffic.fill("host") == 1, "it failed last"


def test_only_some_hosts_are_remembered() -> None:
    traffic = Traffic()
    for number in range(1500):
        traffic.deliver(f"host-{number}")
    assert len(traffic.bulkhead._hosts) == 1000
