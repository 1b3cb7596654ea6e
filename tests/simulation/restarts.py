"""Restarts of Redis that lose its last writes, as `appendfsync everysec` and a fail-over to a replica that lags may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.contract import State

if TYPE_CHECKING:
    import random

    from simulation.world import World

LOSES_S = (0.0, 0.2, 1.0, 2.0)
"""Seconds of writes that a restart loses at most."""
AWAY_S = (0.3, 3.0, 30.0, 120.0)
SLOW_S = 40.0
"""Seconds for which the vendor answers late at most restarts: one network has failed under both."""
WAITS_FOR_ATTEMPT = 15
"""Copies of Redis that are taken, two seconds apart, until a paid call begins after one."""


class Restarts:
    """Restarts a world's Redis, and knows whose jobs that may cost what the documentation says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._attempted_at: dict[str, float] = {}
        """When the attempt of a job was written last."""
        self._accepted_at: dict[str, float] = {}
        """When its acceptance was."""
        self.number = 0
        """How often Redis has restarted."""
        self._settled_at: dict[str, float] = {}
        """When the result of its call was."""
        self.gone: set[str] = set()
        """Jobs whose acceptance was lost."""
        self.forgotten: set[str] = set()
        """Jobs of which a paid call, or what came of it, was lost: a reply that comes takes a slot, cap or no cap."""
        self.paid_again: set[tuple[str, int]] = set()
        """Jobs whose attempt and vendor's id were both lost, and by which restart: each may be paid for once more."""
        self.in_hand: set[tuple[str, int]] = set()
        """Jobs whose attempt was lost, and by which restart, while a living worker made the call.

        They are not paid again where nothing hinders it: it writes the result, or the attempt again.
        """
        self.back_at = -1e9
        """When Redis was, or will be, back after the last restart."""
        self._under_way = False

    def note_write(self, move: str, many: list[dict[str, Any]], paying: str | None) -> None:
        """Note a move that a restart may lose; `paying`: the job whose paid call its caller has under way."""
        world, now = self._world, self._world.scheduler.now
        for job_id in [one.get("id", "") for one in many]:
            if move == "accept" and not world.server.exists(f"{world.prefix}:job:{job_id}"):
                self._accepted_at[job_id] = now
            elif move == "attempt":
                self._attempted_at[job_id] = now
            elif move == "advance" and job_id == paying:
                self._settled_at[job_id] = now

    def hindered(self, job_id: str) -> None:
        """Another worker may make the call again before the one that has it under way writes that."""
        self.paid_again |= {one for one in self.in_hand if one[0] == job_id}

    def ended(self, jobs: dict[str, dict[str, str]]) -> set[str]:
        """Return the jobs that were canceled, or expired, before their attempt was written again: uncounted calls."""
        over = {State.CANCELED, State.EXPIRED}
        return {job_id for job_id, _ in self.in_hand if jobs.get(job_id, {}).get("state") in over}

    def cut_off(self, job_id: str) -> None:
        """The same, by a worker that cannot reach Redis: others may reach it already."""
        if self._world.scheduler.now > self.back_at:
            self.hindered(job_id)

    def restart(self, rng: random.Random) -> None:
        """Keep a copy of all keys, go on for as long as writes are lost, then go back to the copy."""
        world, server, scheduler = self._world, self._world.server, self._world.scheduler
        if self._under_way:
            return
        self._under_way = True
        if rng.random() < 0.7:
            world.vendor.slow_until = max(world.vendor.slow_until, scheduler.now + SLOW_S)
        loses, away = rng.choice(LOSES_S) * rng.random(), rng.choice(AWAY_S) * rng.random()
        tries = WAITS_FOR_ATTEMPT if rng.random() < 0.8 else 0
        since, canceled = self._copy()
        while tries and world.faults.raging and not self._attempt_comes(since, rng):
            tries -= 1
            since, canceled = self._copy()
        if not tries:
            world.sleep(loses)
        loses = scheduler.now - since
        self._excuse(since, canceled)
        hanging = self._accounts_called()
        world.observer.forget()
        server.flushdb()
        server.swapdb(0, 1)
        world.note(f"Redis restarts: its last {loses:.2f} s are lost, and it is away for {away:.1f} s")
        for process in world.processes:
            process.cut_off("redis", away)
            world.excuse_for_now(process)
        if hanging and rng.random() < 0.5:
            scheduler.spawn(lambda: world.troubles.drain(rng.choice(hanging), rng))
        self.back_at = scheduler.now + away
        self._under_way = False

    def _accounts_called(self) -> list[str]:
        """The accounts whose answers workers wait for: a person may drain one of them meanwhile."""
        world = self._world
        if len(world.accounts) == 1:
            return []
        paying = [fibre.paying for worker in world.workers for fibre in worker.payers if not fibre.answered]
        found: Any = [world.server.hget(f"{world.prefix}:job:{job_id}", "account") for job_id in paying]
        return sorted({name for name in found if name})

    def _copy(self) -> tuple[float, set[str]]:
        """Keep what Redis has now; return when that was, and which jobs were canceled."""
        world, server = self._world, self._world.server
        server.swapdb(0, 1)
        server.flushdb()  # an earlier copy
        server.swapdb(0, 1)
        with server.pipeline(transaction=False) as pipe:
            for name in server.scan_iter(f"{world.prefix}:*"):
                pipe.copy(name, name, destination_db="1", replace=True)
            pipe.execute()
        return world.scheduler.now, set(world.canceled)

    def _attempt_comes(self, since: float, rng: random.Random) -> bool:
        """Let a paid call begin among the writes that are lost, if one comes in time."""
        while self._world.scheduler.now < since + max(LOSES_S):
            self._world.sleep(0.05)
            if any(at >= since for at in self._attempted_at.values()):
                self._world.sleep(rng.random() * 0.3)
                return True
        return False

    def _excuse(self, since: float, canceled: set[str]) -> None:
        world = self._world
        lost = {job_id for job_id, at in self._attempted_at.items() if at >= since}
        paying = {fibre.paying for worker in world.workers for fibre in worker.payers if fibre.paying}
        self.in_hand |= {(job_id, self.number) for job_id in lost & paying}
        self.paid_again |= {(job_id, self.number) for job_id in lost - paying}
        unsettled = {job_id for job_id, at in self._settled_at.items() if at >= since}
        self.paid_again |= {
            # the attempt by an earlier restart, its result by this one
            one
            for one in self.in_hand
            if one[0] in unsettled
        }  # the attempt by an earlier restart, its result by this one
        self.forgotten |= lost | unsettled
        world.excused |= self.forgotten  # HELD: the attempt is there, and its result is lost
        self.gone |= {job_id for job_id, at in self._accepted_at.items() if at >= since}
        self.number += 1
        world.uploads.forgotten_since(since)
        world.batches.forgotten_since(since)
        world.canceled &= canceled
        for job_id in self.gone:
            world.accepted.pop(job_id, None)
