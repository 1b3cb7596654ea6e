"""The nemesis: carries a plan out to the second, and starts again what it has killed."""

from __future__ import annotations

import sched
import signal
import threading
import time
from typing import TYPE_CHECKING

from chaos.batches import BatchProducer
from chaos.environment import now
from chaos.plan import AccountFailure, Deed
from swapline_producer.errors import LedgerUnavailable, NotPossible

if TYPE_CHECKING:
    from chaos.actors import Actor
    from chaos.environment import Stage
    from chaos.observer import Observer
    from chaos.plan import Act
    from chaos.proxy import Fault

DOWN = 1.0
"""Seconds after which a supervisor starts a killed worker again."""
COMMAND_RETRY_S = 0.3
"""After which a person gives a command again that found no ledger."""


class Nemesis:
    """Carries a plan out. Every deed is written down with its time."""

    def __init__(self, stage: Stage, observer: Observer) -> None:
        self._stage, self._observer = stage, observer
        self._record = stage.record("acts")
        self._agenda = sched.scheduler(time.monotonic, self._wait)
        self._pause = threading.Event()
        self._kills = 0
        self._gateway_wanted = stage.setup.gateway
        self.batches: list[BatchProducer] = []

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
        if self._gateway_wanted and gateway is not None and (code := gateway.poll()) is not None:
            self._record({"at": now(), "deed": "worker ended by itself", "worker": "gateway", "code": code})
            self._stage.start_gateway()

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
        self._stage.kill_gateway()
        self._record({"at": now(), "deed": Deed.KILL_GATEWAY})
        self._agenda.enter(DOWN, 0, self._start_gateway)

    def _start_gateway(self) -> None:
        self._stage.start_gateway()
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

    def _kill_batch(self, shares: list[float]) -> None:
        batch = BatchProducer(self._stage, len(self.batches), shares)
        self.batches.append(batch)
        batch.start()

    def _fail_account(self, account: str, failure: AccountFailure, seconds: float, *, new_key: bool = False) -> None:
        self._record(
            {"at": now(), "deed": Deed.FAIL_ACCOUNT, "account": account, "failure": failure, "seconds": seconds}
        )
        self._stage.accounts.begin(account, failure)
        self._agenda.enter(seconds, 0, self._end_failure, (account, failure, new_key))

    def _end_failure(self, account: str, failure: AccountFailure, new_key: bool) -> None:
        self._stage.accounts.end(account, failure, new_key=new_key)
        self._record({"at": now(), "deed": "the account is well", "account": account, "failure": failure})

    def _drain(self, account: str, seconds: float) -> None:
        if self._set_drained(account, drained=True):
            self._record({"at": now(), "deed": Deed.DRAIN, "account": account, "seconds": seconds})
            self._agenda.enter(seconds, 0, self._resume, (account,))
        else:
            self._agenda.enter(COMMAND_RETRY_S, 0, self._drain, (account, seconds))

    def _resume(self, account: str) -> None:
        # before the command: a slot that is given while it is under way is no fault
        self._record({"at": now(), "deed": "the account is resumed", "account": account})
        if not self._set_drained(account, drained=False):
            self._agenda.enter(COMMAND_RETRY_S, 0, self._resume, (account,))

    def _set_drained(self, account: str, *, drained: bool) -> bool:
        """Do what `swapline accounts drain` and `resume` do; False where Redis is down, or no worker has come yet."""
        try:
            self._stage.producer.ledger.pool.set_drained(account, drained=drained)
        except (LedgerUnavailable, NotPossible):
            return False
        return True
