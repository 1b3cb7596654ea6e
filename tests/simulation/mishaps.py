"""What befalls a world during its storm: its workers, Redis and its time, and the vendor's accounts."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.process import Worker
    from simulation.world import World

    Act = Callable[[Worker, random.Random], None]


class Mishaps:
    """Some acts at random moments, a fibre each."""

    def __init__(self, world: World) -> None:
        self._world = world

    def plan(self) -> None:
        """Draw them; the scenario may leave some out."""
        world, rng = self._world, self._world.rng
        several = len(world.accounts) > 1
        acts: list[Act] = [self._cut, self._cut, self._drain, self._kill, self._stand_still, self._step_clock]
        acts += [self._restart] * (6 if several else 2) + [self._befall] * (6 if several else 1)
        for number in range(rng.choice((0, 2, 4, 8)) + 2 * several):
            act, at = rng.choice(acts), rng.random() * world.storm
            chosen, seed = rng.choice(world.workers), rng.random()
            if world.scenario.only is None or -number - 1 in world.scenario.only:
                world.faults.drawn.append(-number - 1)
                world.scheduler.spawn(_bound(act, chosen, random.Random(seed)), after=at)  # noqa: S311 -- reproducible

        for _ in range(rng.choice((1, 2, 3))):
            world.scheduler.spawn(self._cut_backend, after=rng.random() * world.storm * 0.8)

    def _befall(self, _worker: Worker, rng: random.Random) -> None:
        self._world.troubles.befall(rng)

    def _restart(self, _worker: Worker, rng: random.Random) -> None:
        self._world.restarts.restart(rng)

    def _cut(self, worker: Worker, rng: random.Random) -> None:
        port, seconds = (
            rng.choice(("redis", "redis", "vendor", "store", "webhook")),
            rng.choice((2.0, 10.0, 40.0, 200.0)),
        )
        self._world.note(f"{worker.name} is cut off from {port} for {seconds:.0f} s")
        worker.cut_off(port, seconds)
        self._world.excuse_for_now(worker)

    def _cut_backend(self) -> None:
        """Pictures are stored, and their jobs are not accepted: nothing needs them for a while."""
        shop, seconds = self._world.shop, self._world.rng.choice((10.0, 20.0, 60.0))
        self._world.note(f"{shop.name} is cut off from redis for {seconds:.0f} s")
        shop.cut_off("redis", seconds)

    def _kill(self, worker: Worker, _rng: random.Random) -> None:
        if not worker.dead:
            self._world.note(f"{worker.name} is killed")
            self._world.kill(worker)

    def _stand_still(self, worker: Worker, rng: random.Random) -> None:
        seconds = rng.choice((20.0, 90.0, 400.0))
        self._world.note(f"the machine of {worker.name} stands still for {seconds:.0f} s")
        self._world.stop(worker, seconds)

    def _drain(self, worker: Worker, rng: random.Random) -> None:
        world = self._world
        if worker.dead:
            return
        world.note(f"{worker.name} is stopped gracefully")
        epoch = worker.epoch
        for _ in range(600):  # during a paid call, if one comes within half a minute
            if worker.payers or worker.epoch != epoch:
                break
            world.sleep(0.05)
        if worker.epoch != epoch:
            return
        world.scheduler.spawn(worker.drain, worker)
        world.sleep(2.0 + rng.random() * 30)
        if worker.epoch == epoch:
            world.kill(worker)

    def _step_clock(self, _worker: Worker, rng: random.Random) -> None:
        world, by = self._world, rng.choice((-120_000, -3_000, 4_000, 30_000))
        world.note(f"Redis's clock is set by {by / 1000:+.0f} s")
        world.jump_ms += by
        world.jumped = True
        for worker in world.workers:
            world.excuse_for_now(worker)


def _bound(act: Act, worker: Worker, rng: random.Random) -> Callable[[], None]:
    return lambda: act(worker, rng)
