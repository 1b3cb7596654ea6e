"""One simulated installation: producers, workers, vendor, store, receivers; a storm, then rest, then a verdict."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from simulation.accounts import draw_accounts
from simulation.batches import Batches
from simulation.checker import Verdict, final_check
from simulation.customers import PHOTOGRAPHS, Customer
from simulation.faults import Faults
from simulation.mishaps import Mishaps
from simulation.observer import Observer
from simulation.operators import Operator
from simulation.process import RESCUE_AFTER, Process, Worker
from simulation.producers import Backend, Gateway
from simulation.restarts import Restarts
from simulation.scheduler import Scheduler
from simulation.troubles import Troubles
from simulation.truth import ReceiverTruth, StoreTruth, VendorTruth
from simulation.uploads import Uploads
from swapline_producer.contract.accounts import Limits
from swapline_producer.retention.store_owner import check_store
from swapline_producer.testing import memory_storage
from swapline_workers.settings import AmbiguousSubmit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import redis

    from simulation.accounts import Account
    from simulation.customers import Order
    from swapline_producer.contract import StepMessage
    from swapline_producer.storage import Storage

LATENCY_S = {"ledger": 0.002, "broker": 0.002, "store": 0.03, "vendor": 0.3, "webhook": 0.2}
"""Mean of one way to each port and of its answer."""

EPOCH_MS = 1_000_000_000
POLICIES = (AmbiguousSubmit.HOLD,) * 4 + (AmbiguousSubmit.RETRY, AmbiguousSubmit.FAIL)
"""About calls that may have been charged, for the whole world."""
REST_WITHIN_S = 3 * 86_400.0
"""Simulated time after the storm in which all must have come to rest; the webhooks' schedule takes most of it."""


@dataclass(frozen=True)
class Scenario:
    """What a world is made of; all else follows from the seed."""

    seed: int
    jobs: int = 60
    hours: float | None = None
    """Simulated hours of the storm; None: as long as the vendor needs for these jobs."""
    only: frozenset[int] | None = None
    """The faults that are kept, by the numbers of their points (negative: the world's own); None: all."""


def several_accounts(seed: int) -> bool:
    """Whether a seed's world has several accounts."""
    rng, _ = _begin(seed)
    return len(draw_accounts(rng, 0)) > 1


def _begin(seed: int) -> tuple[random.Random, float]:
    """Return what a world draws from, and the first that it has drawn: the share of calls on which faults fall."""
    rng = random.Random(f"{seed}/world")  # noqa: S311 -- reproducible, not secret
    return rng, rng.choice((0.002, 0.01, 0.02, 0.04))


@dataclass
class World:
    """A world at work."""

    scenario: Scenario
    server: redis.Redis
    scheduler: Scheduler = field(default_factory=Scheduler)
    excused: set[str] = field(default_factory=set)
    """Jobs whose paid call's outcome the pipeline cannot know: they may rest HELD."""
    orders: dict[str, Order] = field(default_factory=dict)
    """By name."""
    order_of: dict[str, Order] = field(default_factory=dict)
    """By job."""
    accounts_changed: int = 0
    """How often the file with the accounts was written anew."""
    left_out: str | None = None
    """The account that the file lacks."""
    passing: set[str] = field(default_factory=set)
    """Jobs whose worker was out of the ledger's sight during the paid call: they may be HELD until its reply comes."""
    jumped: bool = False
    story: list[tuple[float, str]] = field(default_factory=list)
    accepted: dict[str, bool] = field(default_factory=dict)
    """Jobs whose acceptance was confirmed, and whether they have a webhook."""
    cancels: set[str] = field(default_factory=set)
    """Jobs that a customer tried to cancel."""
    canceled: set[str] = field(default_factory=set)
    """Those of them whose cancellation was confirmed."""
    triggers: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    """What happens when a job (second) is sent to a port (first)."""
    lost_messages: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By job and version."""
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        seed = self.scenario.seed
        self.rng, rate = _begin(seed)
        rng = self.rng
        self.prefix = "sim"
        self.pool = self.server.connection_pool
        self.faults = Faults(seed, rate, self.scenario.only)
        self.jump_ms = 0
        self.accounts = draw_accounts(rng, self.scenario.jobs)
        self.slots = sum(account.slots for account in self.accounts.values())
        self.vendor = VendorTruth(self, rng.uniform(1.0, 8.0) * rng.choice((1, 1, 1, 5)))
        self.photographs = rng.choice(PHOTOGRAPHS)
        self.on_ambiguous_submit = rng.choice(POLICIES)
        self.receiver = ReceiverTruth(self)
        self.objects = StoreTruth(self, memory_storage())
        self.uploads, self.observer, self.restarts = Uploads(self), Observer(self), Restarts(self)
        self.own = Process(self, "the checker")
        check_store(self.own.ledger, cast("Storage", self.objects))
        if len(self.accounts) == 1:
            self.own.ledger.limits.configure(Limits(max_in_flight=self.slots, rescue_after=RESCUE_AFTER))
        self.workers = [
            Worker(self, f"worker {number}", rng.choice((2, 4, 6))) for number in range(rng.choice((1, 2, 3, 3)))
        ]
        if len(self.accounts) > 1:
            for worker in self.workers:
                worker.known.show()
        self.mishaps, self.troubles = Mishaps(self), Troubles(self)
        needed = self.scenario.jobs * (1.2 * self.vendor.mean_service + 3.0) / self.slots
        self.storm = 120.0 + needed if self.scenario.hours is None else self.scenario.hours * 3600.0
        self.shop = Backend(self, "the backend")
        self.gateway = Gateway(self, "the gateway")
        self.operator, self.batches = Operator(self), Batches(self)
        self._once: set[str] = set()

    @property
    def processes(self) -> list[Process]:
        """All that speak to Redis."""
        return [self.shop, self.gateway, *self.workers]

    def serving(self, token: str) -> list[Account]:
        """The accounts with this name or label."""
        return [one for one in self.accounts.values() if token in {one.name, *one.settings.labels}]

    # -- time -------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        self.scheduler.sleep(seconds)

    def latency(self, port: str) -> float:
        return self.rng.expovariate(1.0) * LATENCY_S[port]

    def server_now(self) -> int:
        """Milliseconds by Redis's clock."""
        return EPOCH_MS + self.jump_ms + int(self.scheduler.now * 1000)

    def wall(self) -> float:
        """Seconds by the store's clock."""
        return EPOCH_MS / 1000 + self.scheduler.now

    def is_busy(self) -> bool:
        """Whether it is the storm, or the first minutes after it."""
        return self.scheduler.now < self.storm + 300.0

    def seconds_between_checks(self) -> float:
        """Once the storm is over: a minute, and longer when only a new day's credits or webhooks are waited for."""
        return 60.0 if self.scheduler.now < self.storm + 3600.0 else 600.0

    def seconds_to_next_due(self) -> float:
        first: Any = self.server.zrange(f"{self.prefix}:due", 0, 0, withscores=True)
        return max(0.0, (first[0][1] - self.server_now()) / 1000) if first else 1e9

    def happens(self, port: str, job_id: str) -> None:
        """A call about a job is being made."""
        if act := self.triggers.pop((port, job_id), None):
            self.scheduler.spawn(act, after=self.latency(port))

    # -- what happens to processes ----------------------------------------------------------------------------

    def note(self, line: str) -> None:
        self.story.append((self.scheduler.now, line))

    def note_once(self, line: str) -> None:
        if line not in self._once:
            self._once.add(line)
            self.note(line)

    def excuse_for_now(self, process: Process) -> None:
        """The ledger may believe that the worker that makes these paid calls is dead."""
        self.passing.update(fibre.paying for fibre in process.payers if fibre.paying)

    def kill(self, process: Process) -> None:
        """The process dies; a worker is started again with empty memory."""
        if not isinstance(process, Worker):  # one of many processes of the backend: only this call's dies
            return
        died = {fibre.paying for fibre in process.payers if fibre.paying}
        self.excused |= died
        for job_id in died:
            self.restarts.hindered(job_id)
        process.epoch += 1
        process.dead = True
        process.payers.clear()
        if self.rng.random() < 0.5:
            for message in process.inbox:
                self._deliver_in(message, self.rng.random() * 20)
        self.scheduler.spawn(process.start, after=0.3 + self.rng.random() ** 2 * 40)

    def stop(self, process: Process, seconds: float) -> None:
        """The whole machine of the process stands still."""
        self.excuse_for_now(process)
        for fibre in process.payers:
            self.restarts.hindered(fibre.paying or "")
        self.scheduler.stop(process, self.scheduler.now + seconds)

    def unexpected(self, message: StepMessage, error: Exception) -> None:
        self.wrong.append(f"{message.step} of {message.job_id} raised {error!r}")

    # -- the broker -------------------------------------------------------------------------------------------

    def publish(self, messages: Sequence[StepMessage]) -> None:
        for message in messages:
            fault = self.rng.random() if self.faults.raging else 1.0
            if fault < self.faults.rate * 0.5:
                self.lost_messages[message.job_id, message.version] += 1
                self.note(f"a message is lost: {message.step} of {message.job_id} at version {message.version}")
                continue
            late = self.rng.random() * 60 if fault < self.faults.rate else 0.001
            self._deliver_in(message, late)
            if self.faults.rate < fault < self.faults.rate * 2:  # twice, at once, during the step, or after it
                self._deliver_in(message, self.rng.random() * self.rng.choice((0.01, 1.0, 30.0)))

    def _deliver_in(self, message: StepMessage, seconds: float) -> None:
        self.scheduler.spawn(lambda: self._deliver(message), after=seconds)

    def _deliver(self, message: StepMessage) -> None:
        now = self.scheduler.now
        there = [worker for worker in self.workers if worker.cut_until.get("redis", 0.0) <= now]  # Redis is the broker
        living = [worker for worker in there if not worker.dead and not worker.draining]
        free = [worker for worker in living if worker.busy < worker.threads] or living
        if not free:
            self._deliver_in(message, 1.0)
        else:
            self.rng.choice(free).receive(message)

    # -- the storm --------------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        """Let the storm rage, let all come to rest, and judge."""
        self._plan()
        self._go_on(self.storm)
        self._end_storm()
        rested = self._go_on(self.scheduler.now + REST_WITHIN_S, self.observer.all_rest)
        if not rested and not self.wrong:
            self.wrong.append(f"not at rest {REST_WITHIN_S / 3600:.0f} h after the storm: {self.observer.restless()}")
        verdict = final_check(self)
        self.scheduler.abandon()
        return verdict

    def _go_on(self, until: float, happened: Callable[[], bool] | None = None) -> bool:
        check_at = self.scheduler.now
        while self.scheduler.now < until and not self.wrong:
            if happened and self.scheduler.now >= check_at:
                if happened():
                    return True
                check_at = self.scheduler.now + (2.0 if self.is_busy() else self.seconds_between_checks())
            if not self.scheduler.step():
                break
        for failure in self.scheduler.failures:
            self.wrong.append(f"a process broke: {failure!r}")
        return False

    def _plan(self) -> None:
        rng, scheduler = self.rng, self.scheduler
        for number in range(self.scenario.jobs):
            at = rng.random() * self.storm * 0.85
            scheduler.spawn(Customer(self, number).run, after=at)
        self.batches.plan()
        self.mishaps.plan()
        scheduler.spawn(self.observer.watch)
        scheduler.spawn(self.operator.run)

    def _end_storm(self) -> None:
        """No more faults; who is dead or stands still comes back."""
        self.note("the storm is over")
        self.faults.raging = False
        for process in self.processes:
            process.cut_until.clear()
        self.troubles.end()
        for worker in self.workers:
            self.scheduler.resume(worker, self.scheduler.now + 1.0)
