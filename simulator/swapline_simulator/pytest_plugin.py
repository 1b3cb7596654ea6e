"""The fixture `swapline_simulator`: a vendor for each test. Imports only pytest.

Configure it with a marker, whose arguments are the fields of SimulatorConfig:

    @pytest.mark.swapline_simulator(cap=1, mode="status_held")
    def test_something(swapline_simulator): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_simulator import Simulator

FOR_TESTS = {"seed": 1, "service_time": "fixed:0.05", "results": "small"}
"""Defaults: reproducible random numbers, quick jobs and small pictures."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "swapline_simulator(**fields): configure the simulated vendor of this test")


@pytest.fixture
def swapline_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Yield a running vendor: `.url`, `.config.key`, and `.control` to control it and read its report."""
    from swapline_simulator import Simulator, SimulatorConfig  # noqa: PLC0415 -- slow

    marker = request.node.get_closest_marker("swapline_simulator")
    config = SimulatorConfig.model_validate(FOR_TESTS | (marker.kwargs if marker else {}))
    with Simulator(config) as vendor:
        yield vendor
