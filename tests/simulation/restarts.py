"""Restarts of Redis that lose its last writes, as `appendfsync everysec` and a fail-over to a replica that lags may."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from simulation.world import World

LOSES_S = (0.0, 0.2, 1.0, 2.0)
"""Seconds of writes that a restart loses at most."""
AWAY_S = (0.3, 3.0, 30.0, 120.0)


class Restarts:
    """Restarts a world's Redis, and knows whose jobs that may cost what the documentation says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.attempted_at: dict[str, float] = {}
        """When the attempt of a job was written last."""
        self.settled_at: dict[str, float] = {}
        """When the result of its call was."""
        self.gone: set[str] = set()
        """Jobs whose acceptance was lost."""
        self.forgotten: set[str] = set()
        """Jobs of which a paid call, or what came of it, was lost: a reply that comes takes a slot, cap or no cap."""
        self.paid_again: set[str] = set()
        """Jobs whose attempt and vendor's id were both lost: they may be paid again."""
        self.in_hand: set[str] = set()
        """Jobs whose attempt was lost while a living worker made the call: not paid again while it lives."""
        self._under_way = False

    def restart(self, rng: random.Random) -> None:
        """Keep a copy of all keys, go on for as long as writes are lost, then go back to the copy."""
        world, server, scheduler = self._world, self._world.server, self._world.scheduler
        if self._under_way:
            return
        self._under_way = True
        since, loses, away = scheduler.now, rng.choice(LOSES_S) * rng.random(), rng.choice(AWAY_S) * rng.random()
        accepted, canceled = set(world.accepted), set(world.canceled)
        with server.pipeline(transaction=False) as pipe:
            for name in server.scan_iter(f"{world.prefix}:*"):
                pipe.copy(name, name, destination_db="1", replace=True)
            pipe.execute()
        if rng.random() < 0.8:
            self._wait_for_attempt(since, rng)
        else:
            world.sleep(loses)
        loses = scheduler.now - since
        self._excuse(since, accepted, canceled)
        world.observer.versions.clear()
        server.flushdb()
        server.swapdb(0, 1)
        world.note(f"Redis restarts: its last {loses:.2f} s are lost, and it is away for {away:.1f} s")
        for process in world.processes:
            process.cut_until["redis"] = max(process.cut_until.get("redis", 0.0), scheduler.now + away)
            world.excuse_for_now(process)
        self._under_way = False

    def _wait_for_attempt(self, since: float, rng: random.Random) -> None:
        """Let a paid call begin among the writes that are lost, if one comes in time."""
        while self._world.scheduler.now < since + max(LOSES_S):
            self._world.sleep(0.05)
            if any(at >= since for at in self.attempted_at.values()):
                self._world.sleep(rng.random() * 0.3)
                return

    def _excuse(self, since: float, accepted: set[str], canceled: set[str]) -> None:
        world = self._world
        lost = {job_id for job_id, at in self.attempted_at.items() if at >= since}
        paying = {fibre.paying for worker in world.workers for fibre in worker.payers if fibre.paying}
        self.in_hand |= lost & paying
        self.paid_again |= lost - paying
        unsettled = {job_id for job_id, at in self.settled_at.items() if at >= since}
        self.forgotten |= lost | unsettled
        world.excused |= self.forgotten  # HELD: the attempt is there, and its result is lost
        self.gone |= set(world.accepted) - accepted
        world.uploads.forgotten_since(since)
        world.batches.forgotten_since(since)
        world.canceled &= canceled
        for job_id in self.gone:
            world.accepted.pop(job_id, None)
