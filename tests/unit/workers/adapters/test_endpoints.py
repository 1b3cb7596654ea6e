"""When an endpoint is read from the ledger, and when it is known not to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.jobs.fakes import FakeEndpoints
from swapline_producer.contract.answers import Endpoint
from swapline_workers.adapters import endpoints
from swapline_workers.adapters.endpoints import HEALTHY_FOR_S, RecentEndpoints

if TYPE_CHECKING:
    from collections.abc import Callable

FAILING = Endpoint(endpoint_id="ep_1", tenant="a", address="https://a.example/", error="answered 500")


class CountedEndpoints(FakeEndpoints):
    """Counts reads."""

    reads = 0

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        self.reads += 1
        return super().endpoint(endpoint_id)


@pytest.fixture
def ledger() -> CountedEndpoints:
    return CountedEndpoints()


def at(seconds: list[float]) -> Callable[[], float]:
    return lambda: seconds[-1]


def test_an_endpoint_that_does_not_fail_is_read_once_a_second(ledger: CountedEndpoints) -> None:
    now = [5.0]
    recent = RecentEndpoints(ledger, monotonic=at(now))
    assert [recent.endpoint("ep_1") for _ in range(3)] == [None, None, None]
    assert ledger.reads == 1
    now.append(5.0 + HEALTHY_FOR_S)
    recent.endpoint("ep_1")
    assert ledger.reads == 2


def test_an_endpoint_that_fails_is_read_each_time_so_that_it_is_back_at_once(ledger: CountedEndpoints) -> None:
    ledger.failing["ep_1"] = FAILING
    recent = RecentEndpoints(ledger, monotonic=at([5.0]))
    assert [recent.endpoint("ep_1"), recent.endpoint("ep_1")] == [FAILING, FAILING]
    assert recent.endpoint_recovered("ep_1")
    assert recent.endpoint("ep_1") is None
    assert ledger.reads == 3


def test_an_endpoint_that_begins_to_fail_here_is_read_again(ledger: CountedEndpoints) -> None:
    recent = RecentEndpoints(ledger, monotonic=at([5.0]))
    recent.endpoint("ep_1")
    assert recent.endpoint_failed(FAILING, gone=True, patience=60)
    found = recent.endpoint("ep_1")
    assert found is not None
    assert found.disabled_at is not None


def test_the_cache_is_bounded(ledger: CountedEndpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 2)
    recent = RecentEndpoints(ledger, monotonic=at([5.0]))
    for name in ("ep_1", "ep_2", "ep_3", "ep_1"):
        recent.endpoint(name)
    assert ledger.reads == 4
