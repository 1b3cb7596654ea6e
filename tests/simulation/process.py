"""One simulated process: its ports, and what it runs in fibres."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from celery.exceptions import Retry as CeleryRetry

from simulation.accounts import KnownAccounts
from simulation.clocks import Room
from simulation.links import open_sim_ledger
from simulation.ports import SimBroker, SimStorage, SimVendor, SimWebhooks
from support.jobs.fakes import World as FakeWorld
from swapline_producer.contract import Step, is_batch
from swapline_producer.errors import LedgerUnavailable, StorageError
from swapline_producer.ledger.accounts.registry import DEFAULT
from swapline_producer.retention.orphans import Janitor
from swapline_producer.retention.sweep import Sweep
from swapline_workers.adapters.endpoints import RecentEndpoints
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.core.bulkhead import DeliveryBulkhead
from swapline_workers.core.outcomes import STALE, Stop
from swapline_workers.core.picture_memory import PictureMemory
from swapline_workers.core.policy import Policy
from swapline_workers.core.schedule.polling import Bounds
from swapline_workers.runtime.attempt_keeper import AttemptKeeper
from swapline_workers.runtime.due_dispatcher import RENEWALS, DueDispatcher, claim_interval
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.runtime.store.probe import StoreProbe
from swapline_workers.settings import WEBHOOK_SCHEDULE
from swapline_workers.steps.notify import notify_batch
from swapline_workers.tasks import STEPS, translate

if TYPE_CHECKING:
    from simulation.scheduler import Fibre
    from simulation.world import World
    from swapline_producer.contract import StepMessage
    from swapline_producer.storage import Storage
    from swapline_workers.core.outcomes import Outcome
    from swapline_workers.settings import AmbiguousSubmit

RESCUE_AFTER = 15.0
PROBE_EVERY_S = 5.0
ORPHANS_SEARCHED = 0.3
"""Share of the sweeps after which orphans are searched for."""
ORPHANS_AFTER_S = 2.0
"""Their age: no object is safe because it is young."""
PLACES = 6
"""Jobs with pictures in the memory of one worker."""

PATIENCE_S = 5.0
"""Seconds between two claims of a worker at most while faults go on: claims that find nothing prove nothing."""


def policy(on_ambiguous_submit: AmbiguousSubmit) -> Policy:
    """The settings' defaults, but for one."""
    return Policy(
        polls=Bounds(0.25, 20.0),
        on_ambiguous_submit=on_ambiguous_submit,
        rescue_after=RESCUE_AFTER,
        lost_after=60.0,
        store_timeout=3_600.0,
        webhook_schedule=WEBHOOK_SCHEDULE,
        webhook_disable_after=5 * 86_400.0,
    )


class Process:
    """Whatever can die, be stopped, and be cut off."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.epoch = 0
        self.stopped_until = 0.0
        self.cut_until: dict[str, float] = {}
        self.dead = False
        self.payers: set[Fibre] = set()
        self.monotonic_rate = 1.0
        self.monotonic_offset = 0.0
        self.ledger = open_sim_ledger(world, self)
        self.broker = SimBroker(world, self)

    def cut_off(self, port: str, seconds: float) -> None:
        """Have it reach a port no more for as long; a short cut within a long one does not end that."""
        self.cut_until[port] = max(self.cut_until.get(port, 0.0), self.world.scheduler.now + seconds)

    def monotonic(self) -> float:
        """Seconds by this process's own clock."""
        return self.monotonic_offset + self.world.scheduler.now * self.monotonic_rate


class SimDispatcher(DueDispatcher):
    """The real due dispatcher, run by a fibre instead of a thread."""

    world: World
    process: Worker
    fibre: Fibre | None = None

    def schedule_wakeup(self, at: int) -> None:
        super().schedule_wakeup(at)
        if self.fibre is not None and self._wakeups and self._asleep:
            due = self.world.scheduler.now + max(0.0, self._wakeups[0] - self.process.monotonic())
            if due < self.fibre.wake_at:
                self.world.scheduler.wake(self.fibre, max(due, self._soonest))

    _asleep = False
    _soonest = 0.0

    def _sleep(self, wait: float) -> None:
        world, now = self.world, self.world.scheduler.now
        self._soonest = now + claim_interval(len(self._wakeups))
        if wait > 0:  # a claim that finds nothing proves nothing: sleep until something is due, within bounds
            longest = PATIENCE_S if world.faults.raging else 600.0
            wait = max(wait, min(world.seconds_to_next_due() + wait, longest))
            wait = min(wait, self._renew_every) if self._session().leases.all() else wait
        wake_at = now + wait
        if self._wakeups:
            wake_at = min(wake_at, now + self._wakeups[0] - self.process.monotonic())
        self._asleep = True
        world.sleep(max(wake_at, self._soonest) - now)
        self._asleep = False


class Worker(Process):
    """A worker process: session, picture memory, due dispatcher, and threads for steps."""

    rescue_after = RESCUE_AFTER

    def __init__(self, world: World, name: str, threads: int) -> None:
        super().__init__(world, name)
        self.threads = threads
        self.inbox: deque[StepMessage] = deque()
        self.busy = 0
        self.draining = False
        self.monotonic_rate = 1.0 + world.rng.uniform(-0.001, 0.001)
        self.monotonic_offset = world.rng.uniform(0.0, 1e6)
        self.start()

    def start(self) -> None:
        """Begin with empty memory."""
        world, ledger = self.world, self.ledger
        self._started_at = world.scheduler.now
        self.dead = self.draining = False
        self.busy = 0
        self.inbox.clear()
        self.memory = PictureMemory(PLACES, kept_for=RESCUE_AFTER, clock=self.monotonic)
        self.memory._room = Room(PLACES, world.sleep)  # type: ignore[assignment]
        self.dispatcher = SimDispatcher(
            ledger, self.broker, session=lambda: self.session, renew_every=RESCUE_AFTER / RENEWALS
        )
        self.dispatcher.world, self.dispatcher.process = world, self
        self.dispatcher._id = f"{self.name}.{self.epoch}"
        self.session = JobSession(
            ledger,
            self.broker,
            schedule_wakeup=self.dispatcher.schedule_wakeup,
            has_pictures=self.memory.has,
            pause=world.sleep,
        )
        self._keeper = AttemptKeeper(self.session.attempts, world.sleep)
        self._keeping: Fibre | None = None
        self.session.attempts.on_written = self._keep_attempts
        store = cast("Storage", SimStorage(world, self))
        self.known = KnownAccounts(self, lambda account: SimVendor(world, self, account))
        several = len(world.accounts) > 1
        self.ports = replace(
            FakeWorld().ports,
            writes=self.session.writes,
            view=self.session.view,
            vendor=self.known.pool.of(DEFAULT),
            accounts=self.known.pool if several else None,
            pictures=PictureStore(store),
            memory=self.memory,
            webhooks=SimWebhooks(world, self),
            endpoints=RecentEndpoints(ledger.webhooks, monotonic=self.monotonic),
            bulkhead=DeliveryBulkhead(8, self.monotonic),
            policy=policy(world.on_ambiguous_submit),
            rng=world.rng.random,
        )
        self._probe = StoreProbe(ledger, store, timeout=30.0)
        self._sweep = Sweep(ledger, store, clock=self.monotonic)
        self._janitor = Janitor(ledger, store, result_ttl=None, safe_age=ORPHANS_AFTER_S, wall=world.wall)
        world.scheduler.spawn(self._maintain, self, after=world.rng.random() * PROBE_EVERY_S)
        if several:
            world.scheduler.spawn(self.known.run, self)
        self.dispatcher.fibre = world.scheduler.spawn(self.dispatcher.run, self, after=world.rng.random())

    def _keep_attempts(self) -> None:
        """The keeper's thread, which sleeps while no paid call is under way."""
        if self._keeping is None or self._keeping.dead:
            self._keeping = self.world.scheduler.spawn(self._keeper.keep, self)
            self._keeping.keeps = True

    def able_since(self) -> float:
        """Since when it lives, does not stand still and reaches Redis."""
        world = self.world
        able_from = 0.0 if world.faults.raging else world.storm
        return max(self._started_at, self.stopped_until, self.cut_until.get("redis", 0.0), able_from)

    def _maintain(self) -> None:
        """Probe the store while its breaker is open, and delete what is unneeded, as the worker's maintenance does."""
        while True:
            is_open = self.world.server.exists(f"{self.world.prefix}:store")
            with suppress(LedgerUnavailable, StorageError):
                if is_open:
                    self._probe.run()
                self._sweep.due()
                if self.world.faults.raging and self.world.rng.random() < ORPHANS_SEARCHED:
                    self._janitor.next_part()
            self.world.sleep(PROBE_EVERY_S if is_open or self.world.is_busy() else 3600.0)

    def receive(self, message: StepMessage) -> None:
        """Take a message off the broker: a free thread begins it, or it waits in this process."""
        self.inbox.append(message)
        self._begin()

    def _begin(self) -> None:
        while self.inbox and self.busy < self.threads:
            self.busy += 1
            self.world.scheduler.spawn(self._thread, self)

    def _thread(self) -> None:
        """Do messages until none is left."""
        while self.inbox:
            self._perform(self.inbox.popleft())
        self.busy -= 1

    def _perform(self, message: StepMessage) -> None:
        fibre: Any = self.world.scheduler.current()
        fibre.working = message.job_id
        epoch = self.epoch
        try:
            outcome = self._outcome_of(message)
            if isinstance(outcome, Stop):
                self.world.observer.not_lost(message.job_id, outcome.reason)
            with suppress(CeleryRetry):
                translate(outcome, self.session.dispatch)
        except LedgerUnavailable:
            return
        except Exception as error:  # noqa: BLE001 -- as in Celery: the task fails, the process lives
            self.world.unexpected(message, error)
        finally:
            if message.step is Step.SUBMIT and self.epoch == epoch:
                fibre.paying = None
                self.payers.discard(fibre)

    def _outcome_of(self, message: StepMessage) -> Outcome:
        if is_batch(message.job_id):
            with self.session.lease_batch(message.job_id, message.version) as completed:
                return notify_batch(completed.batch, self.ports) if completed else STALE
        with self.session.lease(message.job_id, message.version) as opened:
            return STEPS[message.step](opened.job, opened.at, self.ports) if opened else STALE

    def drain(self) -> None:
        """Stop gracefully: release what is leased, finish what is paid for, then start again."""
        self.draining = True
        self.dispatcher.drain()
        self.session.drain()
        with suppress(LedgerUnavailable):
            self.session.write_polls()
            self.session.release(self.session.leases.all())
