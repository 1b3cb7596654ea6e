"""Stored inputs: which deletions excuse a job that has lost its input, and that none stays for ever."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from simulation.customers import Customer
from simulation.truth import photograph_of
from swapline_producer.contract import State
from swapline_producer.retention.orphans import Janitor
from swapline_producer.retention.sweep import Sweep
from swapline_producer.storage.keys import INPUTS

if TYPE_CHECKING:
    from simulation.world import World

INPUT_TTL_S = 86_400.0
LATE_CUSTOMERS = 4
"""Most of those that come at the worst moment."""
FIRST_LATE = 5_000
"""Their numbers: above all others, and below NEXT_ID."""


@cache
def digest_of(photograph: int) -> str:
    """Return the name of a stored photograph."""
    return hashlib.sha256(photograph_of(photograph)).hexdigest()


class Uploads:
    """The inputs of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lost: set[str] = set()
        """Inputs deleted when the ledger had no lock on them any more, or whose deletion it has forgotten since."""
        self._deleted_at: dict[str, float] = {}
        self._late = 0

    def searched(self) -> None:
        """Orphans are being searched for: a customer sends the photograph again that nothing has needed so far."""
        world = self._world
        stored = {found.key.removeprefix(f"{INPUTS}/") for found in world.objects.list(INPUTS)}
        unneeded = stored.difference(world.server.hkeys(f"{world.prefix}:inputs"))
        lonely = [number for number in range(world.photographs) if digest_of(number) in unneeded]
        if lonely and world.faults.raging and self._late < LATE_CUSTOMERS:
            self._late += 1
            number = FIRST_LATE + self._late
            world.scheduler.spawn(Customer(world, number, lonely[0]).run, after=world.rng.random())

    def deleted(self, sha256: str) -> None:
        """An input is being deleted from the store: under a lock, no job may need it."""
        world = self._world
        lock: Any = world.server.zscore(f"{world.prefix}:deleting", sha256)
        if lock is None or lock <= world.server_now():
            self._lost.add(sha256)  # its process stood still for longer than its lease
        elif world.server.hexists(f"{world.prefix}:inputs", sha256):
            world.wrong.append(f"the input {sha256} is deleted under a lock, and a job needs it")
        self._deleted_at[sha256] = world.scheduler.now

    def forgotten_since(self, since: float) -> None:
        """The ledger has lost what it wrote since then."""
        self._lost |= {sha256 for sha256, at in self._deleted_at.items() if at >= since}

    def may_be_lost(self, job_id: str) -> bool:
        """Whether the loss of this job's input is one that the documentation names."""
        photograph = self._world.order_of[job_id].photograph
        return photograph is not None and digest_of(photograph) in self._lost

    def staying(self, jobs: dict[str, dict[str, str]]) -> list[str]:
        """Delete all that is due in two days; return inputs that stay though no job may read them."""
        world = self._world
        world.jump_ms += round(2 * 1000 * INPUT_TTL_S)
        ledger, store = world.own.ledger, world.objects
        Janitor(ledger, store, result_ttl=None, safe_age=0.0, wall=world.wall).everything(limit=10**6, dry=False)
        Sweep(ledger, store).all_due()
        counted: Any = world.server.hkeys(f"{world.prefix}:inputs")
        stored = {found.key.removeprefix(f"{INPUTS}/") for found in store.list(INPUTS)}
        held = {job_id for job_id, job in jobs.items() if job.get("state") == State.HELD}
        photographs = {world.order_of[job_id].photograph for job_id in held} - {None}
        return sorted((stored | set(counted)) - {digest_of(number) for number in photographs if number is not None})
