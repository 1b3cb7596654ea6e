"""One run: jobs trickle in, the nemesis rages, all comes to rest, and the evidence is gathered and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.checker import Verdict, check
from chaos.environment import SECRET, Setup, Stage
from chaos.gather import gather, settle
from chaos.load import Load
from chaos.nemesis import Nemesis, Temper, plan
from chaos.observer import Observer

if TYPE_CHECKING:
    from pathlib import Path


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
        observer, load = Observer(stage), Load(stage, every=play.every)
        for actor in stage.actors:
            actor.start()
        observer.start()
        load.start()
        Nemesis(stage, observer).rage(plan(play.setup.seed, play.temper, play.setup.workers))
        load.stop()
        settle(stage, load.accepted, seconds=play.settle)
        observer.stop()
        stage.stop_all()
        gather(stage)
        if load.errors:
            raise load.errors[0]
    return check(stage.evidence, secret=SECRET)
