"""Reproducible random numbers: each draw has its own stream, named by the seed and the subject."""

from __future__ import annotations

from random import Random


def stream(seed: int, *what: str | int) -> Random:
    """Return the random stream of one subject, such as `stream(7, "service", 41)`.

    It depends only on its arguments, not on the order in which concurrent jobs draw.
    """
    return Random("/".join(map(str, (seed, *what))))
