"""Chance that can be repeated: every draw has its own stream, named by the seed and by what is drawn."""

from __future__ import annotations

from random import Random


def stream(seed: int, *what: str | int) -> Random:
    """Give the random stream of one thing, such as `stream(7, "service", 41)`.

    It depends on nothing but its arguments, so the order in which concurrent jobs draw changes nothing.
    """
    return Random("/".join(map(str, (seed, *what))))
