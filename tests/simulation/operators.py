"""A person who decides about HELD jobs by the vendor's records: which charge is theirs, or that they are sent again."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from swapline_producer.contract import State, Step
from swapline_producer.errors import SwaplineError
from swapline_producer.ledger.accounts.registry import DEFAULT

if TYPE_CHECKING:
    from simulation.world import World

ROUNDS_S = (20.0, 60.0, 200.0)
"""Seconds between two rounds: short ones find calls that are still on their way, and may be paid twice."""


class Operator:
    """Decides, in half of the worlds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._every_s = world.rng.choice((None, None, None, *ROUNDS_S))
        self.sent_again: Counter[str] = Counter()
        """How often a job was sent again, with a charge that was accepted."""
        self.resolved: set[str] = set()
        """Jobs whose id at the vendor was set by hand."""

    def run(self) -> None:
        """Look at the HELD jobs again and again, as a fibre."""
        world = self._world
        while self._every_s is not None:
            world.sleep(self._every_s)
            held: Any = world.server.zrange(f"{world.prefix}:state:{State.HELD}", 0, -1)
            for job_id in held:
                if world.rng.random() < 0.5:
                    world.scheduler.spawn(lambda job_id=job_id: self._decide(job_id), world.shop)  # type: ignore[misc]

    def _decide(self, job_id: str) -> None:
        world, recovery = self._world, self._world.shop.producer.recovery
        account: Any = world.server.hget(f"{world.prefix}:job:{job_id}", "account")
        known = world.vendor.ids_of(job_id, account or DEFAULT)
        with suppress(SwaplineError):
            if known:
                self.resolved.add(job_id)
                recovery.resolve(job_id, known[-1])
                world.note(f"{job_id} is resolved: its id is {known[-1]}")
            else:
                self.sent_again[job_id] += 1
                recovery.replay(job_id, Step.SUBMIT, accept_charge=True)
                world.note(f"{job_id} is sent again")
