"""How long do the jobs of a killed worker stand still? Kills far apart, with a worker that works on many jobs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from chaos.checker import check
from chaos.environment import SECRET, Setup, Stage, now
from chaos.gather import gather, settle
from chaos.load import Load
from chaos.nemesis import DOWN
from chaos.observer import Observer
from chaos.plan import Deed

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from chaos.evidence import Verdict

SLOTS = 24
"""Jobs at work at a kill, over all workers: more than one worker's sixteen threads."""
EVERY_S = 0.6
"""Seconds between two jobs: two thirds of the slots are at work, so that HELD jobs, which keep theirs, stop nothing."""
RUN_TIMEOUT_S = 90
"""For so long a HELD job keeps its slot. The slowest service takes half of it."""
SETTLE_S = 300
APART = 1.7
"""Kills are this times the rescue apart: everything has moved on by then."""


def ward(given: argparse.Namespace, folder: Path) -> Verdict:
    """Kill the workers in turn. The vendor holds status calls, so that every running job is at work in a thread."""
    setup = Setup(
        seed=given.seed,
        workers=given.workers,
        slots=SLOTS,
        rescue_after=given.rescue_after,
        service_time="lognormal:10,0.5",
        run_timeout=RUN_TIMEOUT_S,
        modes=("status_held",),
    )
    with Stage(folder, setup) as stage:
        observer, load, record_act = Observer(stage), Load(stage, every=EVERY_S), stage.record("acts")
        for actor in stage.actors:
            actor.start()
        observer.start()
        load.start()
        pause = threading.Event()
        for kill in range(1, given.kills + 1):
            pause.wait(given.rescue_after * APART)
            actor = stage.actors[kill % len(stage.actors)]
            at, tasks = now(), actor.kill()
            record_act({"at": at, "deed": Deed.KILL, "kill": kill, "workers": [actor.number], "in_hand": tasks})
            observer.killed(kill, at, tasks)
            pause.wait(DOWN)
            actor.start()
        load.stop()
        settle(stage, load.accepted(), seconds=SETTLE_S)
        observer.stop()
        stage.stop_all()
        gather(stage)
    return check(stage.evidence, secret=SECRET)
