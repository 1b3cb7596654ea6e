"""Errors of the simulator itself; simulated errors are in `modes.py`."""

from __future__ import annotations


class SimulatorError(Exception):
    """The simulator cannot listen, or its control page refused a change. The message is a sentence."""
