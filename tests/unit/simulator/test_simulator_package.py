from __future__ import annotations

import subprocess
import sys

import pytest

import swapline_simulator

PUBLIC = [
    "Control",
    "Mode",
    "OverCap",
    "Report",
    "ResultSize",
    "Simulator",
    "SimulatorConfig",
    "SimulatorError",
    "sample_photographs",
]


def test_the_public_names_are_these() -> None:
    assert swapline_simulator.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_can_be_had(name: str) -> None:
    assert getattr(swapline_simulator, name).__module__.startswith("swapline_simulator.")


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'simulate'"):
        swapline_simulator.simulate  # noqa: B018 -- reading it is the claim


@pytest.mark.parametrize("module", ["swapline_simulator", "swapline_simulator.pytest_plugin", "swapline_simulator.cli"])
def test_loading_what_others_load_early_loads_no_world(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('aiohttp', 'PIL', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
