"""Scenes with one job, in which a fault falls exactly where it is wanted."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.checker import check
from chaos.environment import PREFIX, SECRET, Setup, Stage, plain_environment
from chaos.forked import ForkServer
from chaos.gather import gather, settle
from chaos.load import Load
from chaos.plan import Deed

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from chaos.actors import Actor
    from chaos.evidence import Verdict

REST_S = 30.0
"""Seconds within which a job comes to rest that will ever do so."""
NEVER_S = 4.0
"""The same, where a test expects that it will not: its rescue would come after one."""


@cache
def fork_server() -> ForkServer:
    """The one of all scenes; it ends with this process."""
    return ForkServer(plain_environment(), Path(os.devnull)).__enter__()


@contextmanager
def empty_stage(
    folder: Path, *, rescue_after: float = 1, accounts: Mapping[str, int] | None = None
) -> Generator[Stage]:
    """A stage with no worker and no job on it yet."""
    quick = Setup(
        workers=0,
        slots=1,
        accounts=accounts or {},
        rescue_after=rescue_after,
        service_time="fixed:0.1",
        forks=True,
        steps=True,
    )
    with Stage(folder / "stage", quick, fork_server()) as stage:
        yield stage


@contextmanager
def one_job(folder: Path, *, rescue_after: float = 1, accounts: Mapping[str, int] | None = None) -> Generator[Stage]:
    """A stage with no worker on it yet, and one job given."""
    with empty_stage(folder, rescue_after=rescue_after, accounts=accounts) as stage:
        give_job(stage)
        yield stage


def give_job(stage: Stage) -> None:
    """Give the one job."""
    load = Load(stage, numbers=range(1))
    load.start()
    load.join()


def an_actor(stage: Stage, number: int, **more: str) -> Actor:
    """A worker on stage."""
    actor = stage.actor(number, **more)
    stage.actors.append(actor)
    actor.start()
    return actor


def judged(stage: Stage, seconds: float = REST_S) -> Verdict:
    """Let it come to rest, as far as it will, and judge it."""
    settle(stage, [job_of(stage)], seconds=seconds)
    stage.stop_all()
    gather(stage)
    return check(stage.evidence, secret=SECRET)


def job_of(stage: Stage) -> str:
    """The one job there is."""
    [key] = stage.client.scan_iter(f"{PREFIX}:job:*")
    return str(key).rpartition(":")[2]


def killed(stage: Stage, actor: Actor) -> None:
    """Kill a worker, and have it in the evidence."""
    tasks = actor.kill()
    stage.record("acts")({"deed": Deed.KILL, "kill": 1, "workers": [actor.number], "in_hand": tasks})


def events(stage: Stage) -> list[str]:
    """The names of what has happened to the one job, by its own log."""
    return [event.name for event in stage.producer.events(job_of(stage))]
