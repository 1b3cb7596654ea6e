"""One run: jobs trickle in, the nemesis rages, all comes to rest, and the evidence is gathered and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.checker import check
from chaos.environment import SECRET, Setup, Stage
from chaos.gather import gather, settle
from chaos.load import Load
from chaos.nemesis import Nemesis
from chaos.observer import Observer
from chaos.plan import Temper, plan

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.batches import BatchProducer
    from chaos.evidence import Verdict


@dataclass(frozen=True)
class Play:
    """What is played."""

    setup: Setup
    temper: Temper
    every: float = 0.5
    """Seconds between two jobs."""
    settle: float = 60
    """Seconds that everything may take to come to rest, once nothing breaks any more."""


def perform(play: Play, folder: Path) -> Verdict:
    """Play it, and judge it."""
    with Stage(folder, play.setup) as stage:
        observer, loads = Observer(stage), _loads(stage, play.every)
        for actor in stage.actors:
            actor.start()
        if play.setup.gateway:
            stage.start_gateway()
        observer.start()
        for load in loads:
            load.start()
        nemesis = Nemesis(stage, observer)
        nemesis.rage(plan(play.setup.seed, play.temper, play.setup.workers, stage.accounts.names))
        for load in loads:
            load.stop()
        for batch in nemesis.batches:
            batch.join()
        givers: list[Load | BatchProducer] = [*loads, *nemesis.batches]
        given = [job for one in givers for job in one.accepted()]
        settle(stage, given, seconds=play.settle)
        observer.stop()
        stage.stop_all()
        gather(stage)
        if errors := [error for one in givers for error in one.errors]:
            raise errors[0]
    return check(stage.evidence, secret=SECRET)


def _loads(stage: Stage, every: float) -> list[Load]:
    """One that enqueues; or two that take turns, and one of them posts to the gateway."""
    if not stage.setup.gateway:
        return [Load(stage, every=every)]
    return [Load(stage, every=2 * every, numbers=range(first, 1_000_000, 2), posts=first == 1) for first in (0, 1)]
