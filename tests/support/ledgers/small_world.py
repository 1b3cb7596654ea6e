"""A small world in which a test decides what happens next: real steps, real Lua, and workers that can be stopped.

Each worker runs its step in a thread that halts before every write and every call, until the test lets it go on, or has
it die. Only one thread runs at a time, so what happens is decided by the test alone.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from celery.exceptions import Retry as CeleryRetry

from support.jobs.fakes import FakeAnswer, FakeReply, FakeStatusReply, FakeWebhooks, World
from support.pictures.pngs import png
from swapline_producer.contract import FailureCode, LinkedImage, State, Step, StepMessage
from swapline_producer.contract.answers import Advanced
from swapline_producer.errors import StorageUnavailable
from swapline_producer.ledger import Ledger
from swapline_producer.ledger.jobs.intake import Intake
from swapline_producer.ledger.jobs.transitions import Transitions
from swapline_producer.retention.sweep import Sweep
from swapline_producer.testing import memory_storage
from swapline_workers import errors
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.core.picture_memory import PictureMemory
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.runtime.session.view import LedgerView
from swapline_workers.tasks import STEPS, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from support.redis.fixtures import Time
    from swapline_producer.contract import ApiVersion, BatchEvent, Job, JobSpec, NewJob, SwapEvent
    from swapline_producer.contract.answers import Accepted, CancelRequested, LostRace
    from swapline_producer.contract.changes import Change
    from swapline_producer.storage import Storage

PLACES = 8
"""Jobs with pictures in memory: more than there are workers, so that none waits for room in real time."""

KEPT_FOR = 30.0
"""Seconds that pictures in memory outlive the moment at which their job should have come."""

REFUSALS: dict[str, Callable[[], errors.VendorError]] = {
    "not sent": lambda: errors.NotSent("no connection"),
    "429": lambda: errors.Throttled("429", retry_after=2.0),
    "401": lambda: errors.Unauthorized("401"),
    "402": lambda: errors.OutOfCredits("402"),
    "refused": lambda: errors.Refused("422", code=FailureCode.FILTER_NOT_FOUND),
    "500, not accepted": lambda: errors.Unclear("500"),
}
SUBMIT_ANSWERS = ("accepted", "accepted, reply lost", *REFUSALS)

POLL_ERRORS: dict[str, Callable[[], errors.VendorError]] = {
    "404": lambda: errors.NotFound("404"),
    "cut": lambda: errors.Unclear("cut"),
    "429": lambda: errors.Throttled("429"),
    "401": lambda: errors.Unauthorized("401"),
}


@cache
def pictures_of(job_id: str) -> list[bytes]:
    """What the vendor makes of a job: two pictures that are no other job's."""
    return [png(12, 18, seed=int(job_id[1:]) * 2 + number) for number in range(2)]


POLLS: dict[str, Callable[[str], FakeStatusReply]] = {
    "done": lambda job_id: FakeStatusReply("COMPLETED", pictures_of(job_id)),
    "waits": lambda _: FakeStatusReply("IN_PROGRESS"),
    "unknown word": lambda _: FakeStatusReply("PONDERING"),
    "no picture": lambda _: FakeStatusReply("COMPLETED", errors.OutputMissing("nothing there")),
    "broken picture": lambda _: FakeStatusReply("COMPLETED", errors.OutputInvalid("half a PNG")),
    "cut picture": lambda _: FakeStatusReply("COMPLETED", errors.Unclear("cut")),
    "failed": lambda _: FakeStatusReply("FAILED"),
}
POLL_ANSWERS = (*POLLS, *POLL_ERRORS)


class Killed(BaseException):
    """The worker died: nothing catches this."""


@dataclass(frozen=True)
class Order:
    """What happens to a worker that goes on: it dies, or the next call is answered so."""

    kill: bool = False
    submit: str = "accepted"
    poll_answer: str = "done"
    webhook: int | Exception = 204


GOOD = Order()


class Hand(threading.Thread):
    """One worker's thread, halting at every pause."""

    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._run = run
        self._may_go = threading.Semaphore(0)
        self._has_halted = threading.Semaphore(0)
        self._order = GOOD
        self.failure: Exception | None = None
        self.done = False

    def run(self) -> None:
        self._may_go.acquire()
        try:
            if not self._order.kill:
                self._run()
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001 -- it is raised again in the test's own thread
            self.failure = error
        self.done = True
        self._has_halted.release()

    def go(self, order: Order) -> None:
        """Go on to the next pause, or to the end."""
        self._order = order
        self._may_go.release()
        assert self._has_halted.acquire(timeout=30), "a worker hangs"
        if self.failure is not None:
            raise self.failure

    def halt(self) -> Order:
        """Called by the worker itself: wait for what comes next."""
        self._has_halted.release()
        self._may_go.acquire()
        if self._order.kill:
            raise Killed
        return self._order


class Pauses:
    """Where workers halt. A step that runs in the test's own thread does not halt: it follows one order throughout."""

    def __init__(self) -> None:
        self.order = GOOD

    def __call__(self) -> Order:
        here = threading.current_thread()
        return here.halt() if isinstance(here, Hand) else self.order


@dataclass
class Notes:
    """What the invariants ask for."""

    pauses: Pauses
    lined_up: set[str] = field(default_factory=set)
    at_the_vendor: set[str] = field(default_factory=set)
    """Jobs that took a slot because they turned out to be at the vendor, cap or no cap."""


class WatchedIntake(Intake):
    """Notes which jobs joined the waiting line."""

    notes: Notes

    def accept(self, job: NewJob) -> Accepted:
        accepted = super().accept(job)
        if StepMessage(step=Step.SUBMIT, job_id=job.job_id, version=1) not in accepted.messages:
            self.notes.lined_up.add(job.job_id)
        return accepted


class WatchedTransitions(Transitions):
    """Halts before each move of a step."""

    notes: Notes

    def line_up(self, job: Job) -> tuple[StepMessage, ...] | None:
        self.notes.pauses()
        granted = super().line_up(job)
        if granted is not None:
            self.notes.lined_up.add(job.job_id)
        return granted

    def advance(
        self, job: Job, change: Change, *, token: str = "", after: str = ""
    ) -> Advanced | LostRace | CancelRequested:
        self.notes.pauses()
        advanced = self.write(job, change, token, after)
        if isinstance(advanced, Advanced):
            alone = advanced.due is not None and advanced.due < advanced.job.queue_until
            if change.in_line and not alone:  # who was refused for his own sake is due when his pause is over
                self.notes.lined_up.add(job.job_id)
            if change.to is State.RUNNING and not job.slot:
                self.notes.at_the_vendor.add(job.job_id)
        return advanced

    def write(self, job: Job, change: Change, token: str, after: str) -> Advanced | LostRace | CancelRequested:
        """The move itself; a test that breaks it replaces this."""
        return super().advance(job, change, token=token, after=after)


class WatchedLedger(Ledger):
    """The real ledger with its moves watched."""

    def __init__(self, *arguments: Any, moves: type[WatchedTransitions] = WatchedTransitions, **more: Any) -> None:
        super().__init__(*arguments, **more)
        intake, transitions = WatchedIntake(self.scripts), moves(self.scripts)
        self.notes = intake.notes = transitions.notes = Notes(Pauses())
        self.intake, self.transitions = intake, transitions

    def watch(self, pauses: Pauses) -> None:
        self.notes.pauses = pauses


@dataclass
class Bag:
    """The broker: messages in no order, which may be delivered twice or never."""

    pauses: Pauses
    messages: list[StepMessage] = field(default_factory=list)

    def send(self, messages: Sequence[StepMessage]) -> bool:
        if messages:
            self.pauses()
        self.messages += [message for message in messages if message not in self.messages]
        return True


@dataclass
class Vendor:
    """Answers as the test sets it, and records what it charged."""

    pauses: Pauses
    charged: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    polls: int = 0
    """Status calls."""

    def submit(self, spec: JobSpec, image: str) -> FakeReply:
        assert isinstance(spec.image, LinkedImage)
        assert image == spec.image.url
        answer = self.pauses().submit  # a worker that dies here has written the attempt and sent nothing
        job_id = spec.image.url.rpartition("/")[2]
        self.calls[job_id] += 1
        if refusal := REFUSALS.get(answer):
            error = refusal()
            raise error
        self.charged[job_id] += 1
        if answer == "accepted, reply lost":
            raise errors.Unclear("the reply got lost")
        self.pauses()  # a worker that dies here has been charged and knows no id
        return FakeReply(vendor_job_id=f"{job_id}-{self.charged[job_id]}")

    @contextmanager
    def poll(self, vendor_job_id: str, version: ApiVersion) -> Generator[FakeStatusReply]:
        assert vendor_job_id
        assert version
        answer = self.pauses().poll_answer
        self.polls += 1
        if failure := POLL_ERRORS.get(answer):
            error = failure()
            raise error
        yield POLLS[answer](vendor_job_id.partition("-")[0])


class Store:
    """A store in memory, before each write to which a worker halts; `broken` says that it is away."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._storage = memory_storage()
        self.broken = False

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self._pauses()
        self.storage.put(key, data, content_type)

    @property
    def storage(self) -> Storage:
        if self.broken:
            raise StorageUnavailable("the store is away")
        return self._storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def objects(self) -> dict[str, bytes]:
        return {found.key: self._storage.get(found.key) for found in self._storage.list()}


class Webhooks(FakeWebhooks):
    """A receiver that answers as the test sets it."""

    def __init__(self, pauses: Pauses) -> None:
        super().__init__()
        self._pauses = pauses

    def deliver(self, url: str, tenant: str, webhook_id: str, event: SwapEvent | BatchEvent) -> FakeAnswer:
        self.answer = self._pauses().webhook
        return super().deliver(url, tenant, webhook_id, event)


class SteppedView(LedgerView):
    """A view with the test's clock, to the millisecond."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.now = time  # type: ignore[method-assign]


class SmallWorld:
    """One installation: a ledger, a broker, a vendor, a store, a receiver, and as many workers as are wanted."""

    def __init__(self, ledger: WatchedLedger, time: Time) -> None:
        self.time = time
        self.pauses = Pauses()
        self.ledger = ledger
        ledger.watch(self.pauses)
        self.bag = Bag(self.pauses)
        self.vendor = Vendor(self.pauses)
        self.store = Store(self.pauses)
        storage = cast("Storage", self.store)
        self.sweep = Sweep(ledger, storage)
        self.webhooks = Webhooks(self.pauses)
        self.wakeups: list[int] = []
        """When something will be due, as moves have said: what a worker wakes up for."""
        self.session = JobSession(
            ledger,
            self.bag,
            schedule_wakeup=self.wakeups.append,
            has_pictures=self._has_pictures,
            view=SteppedView(time),
        )
        self.hands: list[Hand] = []
        self.ports = replace(
            World().ports,
            writes=self.session.writes,
            view=self.session.view,
            vendor=self.vendor,
            pictures=PictureStore(storage),
            webhooks=self.webhooks,
        )
        self.forget_pictures()

    def _has_pictures(self, job: Job) -> bool:
        return self.ports.memory.has(job)

    def forget_pictures(self) -> None:
        """The process was started again: it has no pictures in memory, and no polls to write."""
        self.session._polls._polls.clear()
        memory = PictureMemory(PLACES, kept_for=KEPT_FOR, clock=lambda: self.time() / 1000)
        self.ports = replace(self.ports, memory=memory)

    def work(self, message: StepMessage, order: Order = GOOD) -> None:
        """A worker does a message from beginning to end."""
        self.pauses.order = order
        try:
            self._step(message)
        finally:
            self.pauses.order = GOOD

    def begin(self, message: StepMessage) -> None:
        """A worker takes a message; it halts before its first write or call."""
        hand = Hand(lambda: self._step(message))
        hand.start()
        self._go(hand, GOOD)

    def go_on(self, number: int, order: Order) -> None:
        """A halted worker goes on to its next halt, or dies."""
        self._go(self.hands.pop(number), order)

    def kill_all(self) -> None:
        while self.hands:
            self.go_on(0, Order(kill=True))

    def _go(self, hand: Hand, order: Order) -> None:
        hand.go(order)
        if hand.done:
            hand.join()
        else:
            self.hands.append(hand)

    def _step(self, message: StepMessage) -> None:
        with self.session.lease(message.job_id, message.version) as opened:
            if opened is None:
                return
            outcome = STEPS[message.step](opened.job, opened.at, self.ports)
        with suppress(CeleryRetry):
            translate(outcome, self.session.dispatch)
