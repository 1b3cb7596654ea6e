"""The simulated vendor over real HTTP, with its faults.

Imports nothing; each name loads its module at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_simulator.account.report import Report
    from swapline_simulator.client import Control
    from swapline_simulator.config import SimulatorConfig
    from swapline_simulator.enums import OverCap, ResultSize
    from swapline_simulator.errors import SimulatorError
    from swapline_simulator.faults.modes import Mode
    from swapline_simulator.imaging.drawing.photographs import sample_photographs
    from swapline_simulator.in_process import Simulator

_MODULES = {
    "Control": "client",
    "Mode": "faults.modes",
    "OverCap": "enums",
    "Report": "account.report",
    "ResultSize": "enums",
    "Simulator": "in_process",
    "SimulatorConfig": "config",
    "SimulatorError": "errors",
    "sample_photographs": "imaging.drawing.photographs",
}

__all__ = [
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


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
