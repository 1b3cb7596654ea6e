"""What can happen at a crash point, drawn by a seed: the same seed draws the same faults."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Fault(StrEnum):
    """What becomes of one call of a port."""

    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"
    STOPS_BEFORE = "is stopped before"
    STOPS_AFTER = "is stopped after"
    NEVER_SENT = "request never sent"
    REPLY_LOST = "reply lost"
    ARRIVES_LATER = "given up, arrives later"
    LATE_REQUEST = "request late"
    LATE_REPLY = "reply late"
    TWICE = "made twice"


WORKERS_OWN = (Fault.DIES_BEFORE, Fault.DIES_AFTER, Fault.STOPS_BEFORE, Fault.STOPS_AFTER)
REPEATED_BY_CLIENT = frozenset({"ledger", "store"})
"""Ports whose clients repeat a call after a broken connection."""

LONGEST_LATE_S = {"ledger": 8.0, "broker": 8.0, "store": 25.0, "vendor": 55.0, "webhook": 20.0}
"""Less than each call's own timeout."""

PAYING = 3.0
"""How much likelier faults are at a paid call and the writes around it, which are few among polls and claims."""

NAMES = tuple(Fault)
WEIGHTS = (4, 4, 1, 1, 4, 6, 3, 3, 3, 4)


@dataclass(frozen=True)
class Drawn:
    """One fault at one crash point."""

    point: int
    fault: Fault
    seconds: float


class Faults:
    """Draws for each crash point; `only` keeps some of them, to shrink a story."""

    def __init__(self, seed: int, rate: float, only: Collection[int] | None = None) -> None:
        self.seed = seed
        self.rate = rate
        self.only = only
        self.raging = True
        self.points = 0
        self.drawn: list[int] = []
        self._rng = random.Random(f"{seed}/faults")  # noqa: S311 -- reproducible, not secret

    def draw(self, port: str, *, paying: bool = False) -> Drawn | None:
        """Return what happens at the next crash point of a port; None: nothing. `paying`: it is about a paid call."""
        if not self.raging:
            return None
        self.points += 1
        point = self.points
        if self._rng.random() >= self.rate * (PAYING if paying else 1.0):
            return None
        if self.only is not None and point not in self.only:
            return None
        rng = random.Random(f"{self.seed}/{point}")  # noqa: S311 -- reproducible, not secret
        fault = rng.choices(NAMES, WEIGHTS)[0]
        if fault is Fault.TWICE and port not in REPEATED_BY_CLIENT:
            fault = Fault.LATE_REPLY
        if fault in (Fault.STOPS_BEFORE, Fault.STOPS_AFTER):
            seconds = rng.choice((5.0, 20.0, 60.0, 300.0)) * (0.5 + rng.random())
        elif fault is Fault.TWICE:
            seconds = rng.random() * 0.5
        else:
            seconds = LONGEST_LATE_S[port] * rng.random() ** 2
        self.drawn.append(point)
        return Drawn(point, fault, seconds)
