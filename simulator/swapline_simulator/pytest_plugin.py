"""The fixture `swapline_simulator`: a vendor of its own for each test. Loading this loads nothing but pytest.

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
"""What a test gets unless it says otherwise: the same chance every time, quick jobs and small pictures."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "swapline_simulator(**fields): configure the simulated vendor of this test")


@pytest.fixture
def swapline_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Give a running vendor: `.url`, `.config.key`, and `.control` to direct it and to see what it saw."""
    from swapline_simulator import Simulator, SimulatorConfig  # noqa: PLC0415 -- only tests that use it pay for it

    marker = request.node.get_closest_marker("swapline_simulator")
    config = SimulatorConfig.model_validate(FOR_TESTS | (marker.kwargs if marker else {}))
    with Simulator(config) as vendor:
        yield vendor
