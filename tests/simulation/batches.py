"""Batches: jobs given at once with the library, then sealed; `batch.completed` comes when they have all ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from simulation.customers import ANSWER_WITHIN_S, NEXT_ID, TRIES, Order, values_of
from simulation.producers import TENANTS
from simulation.truth import COMPLETED, FAILED, REFUSED
from swapline_producer.contract import FINISHED, Notification, Priority, State, SwapRequest
from swapline_producer.contract.jobs.batches import BATCH_PREFIX
from swapline_producer.errors import SwaplineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.world import World
    from swapline_producer.contract import BatchEvent

HOOK = "https://shop.example/batches"
LATEST_S = 10.0
"""Seconds after which no call arrives any more that its caller gave up."""


@dataclass
class Batch:
    """What a customer knows of one, and what its receiver got."""

    name: str
    tenant: str
    called_at: float = 0.0
    sealed: bool = False
    """Whether that was confirmed."""
    excused: bool = False
    """Whether Redis has lost writes about it."""
    events: list[tuple[str, BatchEvent]] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.tenant}:{self.name}"


class Batches:
    """The batches of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._batches: dict[str, Batch] = {}
        for number in range(world.rng.choice((0, 0, 1, 2))):
            batch = Batch(f"batch-{number}", world.rng.choice(TENANTS))
            self._batches[batch.key] = batch

    def plan(self) -> None:
        """Have customers give them during the storm."""
        world, first = self._world, self._world.scenario.jobs
        for batch in self._batches.values():
            customer = BatchCustomer(world, batch, first, world.rng.randint(2, 6))
            world.scheduler.spawn(customer.run, after=world.rng.random() * world.storm * 0.7)
            first += len(customer.orders)

    def receive(self, webhook_id: str, event: BatchEvent) -> None:
        """An event has come: all jobs of the batch have ended."""
        batch = self._batches[f"{event.data.tenant}:{event.data.batch}"]
        batch.events.append((webhook_id, event))
        going_on = {job_id: state for job_id, state in self._states(batch).items() if state not in FINISHED}
        if going_on and not batch.excused:
            self._world.wrong.append(f"{batch.key} is said to be completed, and has {going_on}")

    def forgotten_since(self, since: float) -> None:
        """The ledger has lost what it wrote since then."""
        for batch in self._batches.values():
            batch.excused |= batch.called_at >= since - LATEST_S

    def check(self) -> None:
        """A sealed batch is completed where its jobs have ended, once, and its event counts them."""
        for batch in self._batches.values():
            if batch.sealed and not batch.excused:
                self._check(batch)

    def _check(self, batch: Batch) -> None:
        world, states = self._world, list(self._states(batch).values())
        if not set(states) <= FINISHED:
            if batch.events:
                world.wrong.append(f"{batch.key} is said to be completed, and rests with {states}")
            return
        settled: Any = world.server.hget(f"{world.prefix}:job:{BATCH_PREFIX}{batch.key}", "notification")
        if settled != Notification.DELIVERED or len({webhook_id for webhook_id, _ in batch.events}) != 1:
            world.wrong.append(f"{batch.key} has ended; its webhook rests {settled}, {len(batch.events)} came")
        for _, event in batch.events:
            if event.data.states != {State(state): states.count(state) for state in set(states)}:
                world.wrong.append(f"{batch.key} ended with {states}, and its event says {event.data.states}")

    def _states(self, batch: Batch) -> dict[str, str]:
        server, prefix = self._world.server, self._world.prefix
        ids: Any = server.zrange(f"{prefix}:batch:{batch.key}", 0, -1)
        found: dict[str, Any] = {job_id: server.hget(f"{prefix}:job:{job_id}", "state") for job_id in ids}
        return found


class BatchCustomer:
    """Gives the jobs of a batch until each has an answer, then seals it."""

    def __init__(self, world: World, batch: Batch, first: int, jobs: int) -> None:
        rng = world.rng
        self._world, self._batch = world, batch
        self._hook = HOOK if rng.random() < 0.5 else None
        self._priority = rng.choice(list(Priority))
        self._seals_after = rng.choice((0.0, 0.0, 60.0, 600.0)) * rng.random()
        self.orders = {number: Order(f"order-{number}", batch.tenant, None) for number in range(first, first + jobs)}
        self._fates = {number: rng.choices((COMPLETED, FAILED, REFUSED), (86, 7, 7))[0] for number in self.orders}
        world.orders |= {order.name: order for order in self.orders.values()}

    def run(self) -> None:
        """Do so, as a fibre."""
        left = list(self.orders)
        for attempt in range(TRIES):
            ids = [self._new_id(number, attempt) for number in left]
            answered = self._tried(partial(self._give, left), ids)
            left = [number for number in left if number not in answered]
            if not left:
                break
        self._world.sleep(self._seals_after)
        for _ in range(TRIES):
            if left or self._tried(self._seal, []):
                break

    def _new_id(self, number: int, attempt: int) -> str:
        job_id = f"j{number + NEXT_ID * attempt}"
        self._world.vendor.fate[job_id] = self._fates[number]
        self._world.order_of[job_id] = self.orders[number]
        return job_id

    def _tried(self, call: Callable[[list[int]], None], ids: list[str]) -> list[int]:
        """Return what a call has added to its list in time."""
        world, scheduler = self._world, self._world.scheduler
        answers: list[int] = []
        done: list[bool] = []

        def run() -> None:
            call(answers)
            done.append(True)

        fibre = scheduler.spawn(run, world.shop)
        fibre.ids = deque(ids)
        self._batch.called_at = scheduler.now
        give_up_at = scheduler.now + ANSWER_WITHIN_S
        while not done and scheduler.now < give_up_at:
            world.sleep(0.5)
        self._batch.called_at = scheduler.now
        return answers

    def _give(self, numbers: list[int], answers: list[int]) -> None:
        requests = []
        for number in numbers:
            order = self.orders[number]
            values = {**values_of(order, self._priority, self._hook), "tenant": order.tenant, "batch": self._batch.name}
            requests.append(SwapRequest(**values, idempotency_key=order.name))
        for number, result in zip(numbers, self._world.shop.producer.enqueue_many(requests), strict=True):
            if result.job_id is not None:
                if result.job_id not in self._world.restarts.gone:
                    self._world.accepted[result.job_id] = self._hook is not None
                answers.append(number)

    def _seal(self, answers: list[int]) -> None:
        try:
            self._world.shop.producer.seal_batch(self._batch.name, HOOK, self._batch.tenant)
        except SwaplineError:
            return
        self._batch.sealed = True
        answers.append(0)
