"""What can go wrong with the simulator itself; what it does to others is in `modes.py`."""

from __future__ import annotations


class SimulatorError(Exception):
    """The simulator cannot listen, or its control page refused a change. The message is a sentence."""
