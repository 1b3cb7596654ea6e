"""The nemesis: what goes wrong, when, is drawn from a seed beforehand and then carried out to the second."""

from __future__ import annotations

import random
import sched
import signal
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from chaos.environment import now
from chaos.proxy import Fault

if TYPE_CHECKING:
    from chaos.environment import Actor, Stage
    from chaos.observer import Observer

DOWN = 1.0
"""Seconds after which a supervisor starts a killed worker again."""
SUBMISSION, POLL, HOOK = b"/run/face_swap", b"/status/", b"POST /hook"


class Deed(StrEnum):
    """What the nemesis does."""

    KILL = "kill a worker"
    KILL_ALL = "kill all workers"
    KILL_REDIS = "kill redis"
    KILL_GATEWAY = "kill the gateway"
    STOP = "stop a worker and continue it"
    FAULT = "break a link"
    STEP = "step a wall clock"


@dataclass(frozen=True)
class Act:
    """One deed at a time, in seconds from the beginning."""

    at: float
    deed: Deed
    how: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Temper:
    """How bad it gets. Seconds."""

    seconds: float = 35
    kills: int = 10
    gateway_kills: int = 0
    stops: int = 2
    longest_stop: float = 6
    faults: int = 6
    steps: int = 0
    longest_step: float = 20
    """Steps of time, forward: shorter than a job may run, or it rightly times out."""


ONE_CALL = (Fault.CUT_AFTER, Fault.CUT_BEFORE, Fault.CUT_REPLY, Fault.HALF_CLOSE, Fault.DRIP, Fault.LATENCY)
"""What happens to one request."""
WHOLE_LINK = (Fault.LATENCY, Fault.REFUSE, Fault.SILENCE)
"""What happens to a link for a while."""


def plan(seed: int, temper: Temper, workers: int) -> list[Act]:
    """All acts, in their order; the same for the same arguments."""
    rng = random.Random(f"{seed}/nemesis")  # noqa: S311 -- it must be reproducible, not secret
    acts: list[Act] = []
    for number in range(temper.kills):  # spread evenly, each at a random moment of its share
        at = (number + rng.random()) * temper.seconds / temper.kills
        acts.append(_kill(rng, at, workers))
    for _ in range(temper.stops):
        seconds = rng.uniform(temper.longest_stop / 6, temper.longest_stop)
        how = {"worker": rng.randrange(workers), "seconds": seconds}
        acts.append(Act(rng.uniform(0, temper.seconds), Deed.STOP, how))
    acts += [_fault(rng, rng.uniform(0, temper.seconds)) for _ in range(temper.faults)]
    for _ in range(temper.steps):
        seconds = rng.choice([rng.uniform(1, temper.longest_step), -rng.uniform(0.5, 5)])
        acts.append(Act(rng.uniform(0, temper.seconds), Deed.STEP, {"seconds": seconds}))
    for number in range(temper.gateway_kills):
        at = (number + rng.random()) * temper.seconds / temper.gateway_kills
        acts.append(Act(at, Deed.KILL_GATEWAY))
    return sorted(acts, key=lambda act: act.at)


def _kill(rng: random.Random, at: float, workers: int) -> Act:
    deed = rng.choices([Deed.KILL, Deed.KILL_ALL, Deed.KILL_REDIS], [7, 2, 1])[0]
    if deed is Deed.KILL_REDIS:
        return Act(at, deed, {"seconds": rng.uniform(0.1, 3)})
    return Act(at, deed, {"worker": rng.randrange(workers)} if deed is Deed.KILL else {})


def _fault(rng: random.Random, at: float) -> Act:
    link = rng.choice(["vendor", "vendor", "redis", "redis", "receiver"])
    if rng.random() < 0.5:  # as often one call as a while
        match = {"vendor": rng.choice([SUBMISSION, POLL]), "redis": b"EVALSHA", "receiver": HOOK}[link]
        how = {"link": link, "fault": rng.choice(ONE_CALL), "match": match.decode(), "amount": 1.0}
        return Act(at, Deed.FAULT, how)
    seconds = rng.uniform(0.5, 3)
    how = {"link": link, "fault": rng.choice(WHOLE_LINK), "seconds": seconds, "amount": rng.uniform(0.05, 0.3)}
    return Act(at, Deed.FAULT, how)


class Nemesis:
    """Carries a plan out. Every deed is written down with its time."""

    def __init__(self, stage: Stage, observer: Observer) -> None:
        self._stage, self._observer = stage, observer
        self._record = stage.record("acts")
        self._agenda = sched.scheduler(time.monotonic, self._wait)
        self._pause = threading.Event()
        self._kills = 0
        self._gateway_wanted = stage.setup.gateway

    def rage(self, acts: list[Act]) -> None:
        """Do all of it, starting again what was killed; comes back when all that was broken is whole."""
        for act in acts:
            self._agenda.enter(act.at, 1, self._do, (act,))
        self._agenda.run()
        self._restart_ended_workers()

    def _wait(self, seconds: float) -> None:
        self._restart_ended_workers()
        self._pause.wait(min(seconds, 0.25))  # the agenda asks again; meanwhile nothing else restarts workers

    def _restart_ended_workers(self) -> None:
        """Start a worker that has ended by itself, as a supervisor would. It is a finding all the same."""
        for actor in self._stage.actors:
            if actor.wanted and (code := actor.child.poll()) is not None:
                self._record({"at": now(), "deed": "worker ended by itself", "worker": actor.number, "code": code})
                actor.start()

        gateway = self._stage.gateway
        if self._gateway_wanted and (code := gateway.poll()) is not None:
            self._record({"at": now(), "deed": "worker ended by itself", "worker": "gateway", "code": code})
            gateway.start()

    def _do(self, act: Act) -> None:
        getattr(self, f"_{act.deed.name.lower()}")(**act.how)

    def _kill(self, worker: int) -> None:
        self._kill_these([self._stage.actors[worker]], Deed.KILL)

    def _kill_all(self) -> None:
        self._kill_these(self._stage.actors, Deed.KILL_ALL)

    def _kill_these(self, actors: list[Actor], deed: Deed) -> None:
        alive = [actor for actor in actors if actor.wanted]
        at = now()
        tasks = [task for actor in alive for task in actor.kill()]
        self._kills += 1
        numbers = [actor.number for actor in alive]
        self._record({"at": at, "deed": deed, "kill": self._kills, "workers": numbers, "in_hand": tasks})
        self._observer.killed(self._kills, at, tasks)
        for actor in alive:
            self._agenda.enter(DOWN, 0, actor.start)

    def _kill_redis(self, seconds: float) -> None:
        if self._stage.valkey.poll() is not None:
            return
        self._kills += 1
        self._record({"at": now(), "deed": Deed.KILL_REDIS, "kill": self._kills, "seconds": seconds, "in_hand": []})
        self._stage.valkey.kill()
        self._agenda.enter(seconds, 0, self._start_redis)

    def _kill_gateway(self) -> None:
        self._gateway_wanted = False
        self._stage.gateway.kill()
        self._record({"at": now(), "deed": Deed.KILL_GATEWAY})
        self._agenda.enter(DOWN, 0, self._start_gateway)

    def _start_gateway(self) -> None:
        self._stage.gateway.start()
        self._gateway_wanted = True

    def _start_redis(self) -> None:
        self._stage.valkey.start()
        self._record({"at": now(), "deed": "redis is back"})

    def _stop(self, worker: int, seconds: float) -> None:
        actor = self._stage.actors[worker]
        self._record({"at": now(), "deed": Deed.STOP, "worker": worker, "seconds": seconds, "in_hand": actor.in_hand()})
        actor.signal(signal.SIGSTOP)
        self._agenda.enter(seconds, 0, actor.signal, (signal.SIGCONT,))

    def _fault(self, link: str, fault: Fault, match: str = "", seconds: float = 0, amount: float = 0.2) -> None:
        proxy = self._stage.link(link)
        self._record(
            {"at": now(), "deed": Deed.FAULT, "link": link, "fault": fault, "seconds": seconds, "match": match}
        )
        if seconds:
            order = proxy.order(fault, amount=amount)
            self._agenda.enter(seconds, 0, proxy.lift, (order,))
        else:
            proxy.order(fault, match.encode(), times=1, amount=amount)

    def _step(self, seconds: float) -> None:
        file = self._stage.offset
        self._record({"at": now(), "deed": Deed.STEP, "seconds": seconds})
        unfinished = file.with_suffix(".new")
        unfinished.write_text(str(int(file.read_text()) + round(seconds * 1000)))
        unfinished.replace(file)  # a reader finds the old or the new one
