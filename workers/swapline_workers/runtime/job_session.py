"""The desk: where a step has its job in hand.

While a step works, its job must not be rescued by somebody else; the clock of this process puts its rescue off as long
as the process lives. Slots that a move hands out are sent on their way before the step goes on.

A worker that is to stop closes its desk: what is in hand is finished, nothing new is begun, and no paid call either.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from swapline_producer.contract import State, Step, StepMessage
from swapline_producer.contract.changes import Opened, OpenedBatch
from swapline_producer.errors import JobNotFound, LedgerUnavailable, NotReplicated
from swapline_producer.ledger import new_token
from swapline_workers.core import lifecycle
from swapline_workers.core.cancellation import apply_cancellation
from swapline_workers.core.log_events import LogEvent
from swapline_workers.core.retry import backoff
from swapline_workers.telemetry import context
from swapline_workers.telemetry.change_log import ChangeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from swapline_producer.contract import Batch, Job
    from swapline_producer.contract.changes import Advanced, Change, Released
    from swapline_producer.ledger import Ledger
    from swapline_producer.messaging.publisher import Publisher

log = logging.getLogger(__name__)

T = TypeVar("T")
InHand = TypeVar("InHand", Opened, OpenedBatch)

PATIENCE = 300.0
"""Seconds that a paid result is offered to a ledger that is away, before the worker leaves it to the rescue."""

REMEMBERED = 2000
"""Jobs that are remembered at their last turn, at most: some 6 MB."""


class LedgerSession:
    """The ledger as steps see it. One for each process; every thread has at most one job in hand."""

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        *,
        schedule_wakeup: Callable[[int], None],
        has_pictures: Callable[[Job], bool] = lambda _: False,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`schedule_wakeup` is told every moment (milliseconds) at which something will be due.

        `has_pictures` says whether this process has the pictures of a job, at its version, in memory.
        """
        self._ledger = ledger
        self._publisher = publisher
        self._schedule_wakeup = schedule_wakeup
        self._has_pictures = has_pictures
        self._pause = pause
        self._change_log = ChangeLog()
        self._hands: dict[int, tuple[str, int]] = {}
        self._moving: dict[int, str] = {}
        """Jobs whose moves are under way, by thread."""
        self._moved: dict[str, Job] = {}
        self._offered: set[int] = set()
        """Threads whose paid result the ledger does not take now."""
        self._paying: set[int] = set()
        """Threads that are about to make a paid call, make it, or write its reply."""
        self.closed = False
        """Whether nothing is taken in hand any more."""
        self._ahead = 0.0
        self._waiting = True
        self._in_flight = 0

    @contextmanager
    def in_hand(self, job_id: str, version: int) -> Generator[Opened | None]:
        """Take a job for the length of a step; None when the message is stale, or the desk closed."""
        with self._taken(job_id, version, self._open) as opened:
            if opened is not None:
                self._waiting, self._in_flight = opened.waiting, opened.in_flight
            yield opened

    @contextmanager
    def batch_in_hand(self, record_id: str, version: int) -> Generator[OpenedBatch | None]:
        """The same for a batch that is completed, by its record's id."""
        with self._taken(record_id, version, self._ledger.batches.open) as opened:
            yield opened

    @contextmanager
    def _taken(self, job_id: str, version: int, take: Callable[[str, int], InHand | None]) -> Generator[InHand | None]:
        if self.closed:
            self._ledger.transitions.release([(job_id, version)])
            yield None
            return
        if self._have(job_id, version):
            yield None
            return
        opened = take(job_id, version)
        if opened is None:
            yield None
            return
        self._set_clock(opened.at)
        self._hands[threading.get_ident()] = (job_id, version)
        try:
            yield opened
        finally:
            del self._hands[threading.get_ident()]
            self._paying.discard(threading.get_ident())

    def _have(self, job_id: str, version: int) -> bool:
        """Whether another thread here is at this job, at this turn or a later one, or is just bringing it there.

        After an outage the ledger sends what was due meanwhile before this process could put it off, and a thread that
        waits for the reply to its move does not know yet that it was written.
        """
        further = [other for mine, other in self.leased_jobs() if mine == job_id and other >= version]
        if any(other > version for other in further):
            self._compare(job_id, max(further))
        return bool(further) or job_id in list(self._moving.values())

    def _compare(self, job_id: str, here: int) -> None:
        """Log where the ledger has lost what this process wrote; a message of an older version is only late."""
        there = self._ledger.jobs.version_of(job_id)
        if there is not None and there < here:
            log.warning(
                "ledger is behind this worker: job %s has version %d here and %d there; what is known here is written "
                "again",
                job_id,
                here,
                there,
                extra={"event_name": LogEvent.LEDGER_BEHIND},
            )

    def _open(self, job_id: str, version: int) -> Opened | None:
        return self._remembered(job_id, version) or self._ledger.transitions.open(job_id, version)

    def _remembered(self, job_id: str, version: int) -> Opened | None:
        """A job that this process moved to this turn itself, and whose record it need not read: once for each turn.

        Whether it is still at that turn, and not to be canceled, is part of every move anyway; its rescue was put off
        when it was moved or claimed, and a poll was counted by the claim. Only polls, and finalize where it need not
        ask the vendor, are begun from memory: doing them twice is doing them once. All else is asked for.
        """
        job = self._moved.pop(job_id, None)
        if job is None or job.version != version or (job.state is State.STORING and not self._has_pictures(job)):
            return None
        return Opened(job=job, at=self.now(), waiting=self._waiting, in_flight=self._in_flight)

    def _remember(self, job: Job) -> None:
        if job.state in {State.RUNNING, State.STORING}:
            self._moved[job.job_id] = job
            while len(self._moved) > REMEMBERED:
                with suppress(KeyError, RuntimeError):  # another thread was faster
                    del self._moved[next(iter(self._moved))]  # what is forgotten is read again, once

    @property
    def paying(self) -> int:
        """Paid calls under way in this process, until their replies are written."""
        return len(self._paying)

    @property
    def unwritten(self) -> int:
        """Results of paid calls that only this process has, because the ledger does not take them now."""
        return len(self._offered)

    def leased_jobs(self) -> Sequence[tuple[str, int]]:
        """What this process has in hand: (job id, turn)."""
        return list(self._hands.values())

    def close(self) -> None:
        """Take nothing in hand any more, and let no paid call begin: it might not end in time."""
        self.closed = True

    def release(self, jobs: Iterable[tuple[str, int]]) -> Released:
        """Make jobs, given as (job id, turn), due at once for others, but for paid calls under way."""
        return self._ledger.transitions.release(jobs)

    def advance(self, job: Job, change: Change) -> Job | None:
        """Write a change; None when somebody else was faster, or when the job ended here because it is canceled."""
        if change.fields.get("attempt_open"):
            self._paying.add(threading.get_ident())  # before asking: `close` comes before paid calls are counted
            if self.closed:
                self._ledger.transitions.release([(job.job_id, job.version)])
                return None
        with self._under_way(job):
            return self._advance(job, change, new_token())

    def advance_batch(self, batch: Batch, change: Change) -> bool:
        """Write what became of a batch's webhook; False when somebody else was faster."""
        written = self._ledger.batches.advance(batch, change, token=new_token())
        if written is None:
            return False
        version, due = written
        self._hands[threading.get_ident()] = (batch.record_id, version)
        self._change_log.written(None, change)
        if due is not None:
            self._schedule_wakeup(due)
        return True

    def advance_until_written(self, job: Job, change: Change) -> Job | None:
        """Write a change that must not be forgotten, waiting for a ledger that is away."""
        token = new_token()
        with self._under_way(job):
            return self._patiently(lambda: self._advance(job, change, token), job, change.data)

    @contextmanager
    def _under_way(self, job: Job) -> Generator[None]:
        self._moving[threading.get_ident()] = job.job_id
        try:
            yield
        finally:
            del self._moving[threading.get_ident()]

    def line_up(self, job: Job) -> Job | None:
        """Put a queued job in the waiting line; the job as it is afterwards."""
        granted = self._ledger.transitions.line_up(job)
        if granted is None:
            return None
        mine = next((message for message in granted if message.job_id == job.job_id), None)
        self._publisher.send([message for message in granted if message is not mine])
        if mine is None:
            return job
        return self._hold(job.model_copy(update={"state": State.SUBMITTING, "version": mine.version, "slot": True}))

    def mark_orphaned(self, job: Job) -> None:
        """Have what was written for a job looked at that has moved on meanwhile, or is gone."""
        self._ledger.retention.mark_orphaned(job)

    def reread(self, job: Job) -> Job:
        """The job as the ledger has it now, waiting for a ledger that is away."""
        return self._patiently(lambda: self._ledger.jobs.get(job.job_id), job, {})

    def now(self) -> int:
        """UTC milliseconds by the ledger's clock, as it was last heard."""
        return round(time.monotonic() * 1000 + self._ahead)

    def in_flight(self) -> int:
        """Jobs that hold a slot, as it was last heard."""
        return self._in_flight

    def someone_waits(self) -> bool:
        """Whether jobs wait for a slot, as it was last heard."""
        return self._waiting

    def send(self, step: Step, job: Job) -> None:
        """Send a job on to its next step."""
        self._publisher.send([StepMessage(step=step, job_id=job.job_id, version=job.version)])

    def _patiently(self, ask: Callable[[], T], job: Job, result: Mapping[str, object]) -> T:
        try:
            return self._offer(ask, job, result, give_up_at=time.monotonic() + PATIENCE)
        finally:
            self._offered.discard(threading.get_ident())

    def _offer(self, ask: Callable[[], T], job: Job, result: Mapping[str, object], give_up_at: float) -> T:
        tries = 0
        while True:
            try:
                return ask()
            except LedgerUnavailable:
                tries += 1
                self._offered.add(threading.get_ident())
                if time.monotonic() >= give_up_at:
                    log.exception(
                        "the ledger was away too long; the result of job %s is only here: %s", job.job_id, result
                    )
                    raise
                if tries == 1:
                    log.warning("the ledger is away; the result of job %s is kept and offered again", job.job_id)
                self._pause(backoff(tries, first=0.1, longest=1.0))  # sooner than clocks claim after an outage

    def _advance(self, job: Job, change: Change, token: str) -> Job | None:
        heeding = apply_cancellation(job, change)
        if not lifecycle.allows(job.state, heeding.to):
            raise ValueError(f"the table has no way from {job.state} to {heeding.to}; see core/lifecycle.py")
        advanced = self._ledger.transitions.advance(job, heeding, token=token)
        if advanced is None:
            return self._advance_canceled(job, change, token)
        self._after(advanced)
        held = self._hold(advanced.job)
        self._change_log.written(advanced.job, heeding)
        if not advanced.kept:
            raise NotReplicated(f"The attempt of job {job.job_id}")
        self._remember(advanced.job)
        return held if heeding.to is change.to or (change.to.finished and heeding.to.finished) else None

    def _advance_canceled(self, job: Job, change: Change, token: str) -> Job | None:
        """Somebody else was faster; if all he did was to ask for the job's cancellation, it is still in our hand."""
        try:
            found = self._ledger.jobs.get(job.job_id)
        except JobNotFound:
            return None
        unmoved = (found.state, found.version) == (job.state, job.version)
        return self._advance(found, change, token) if unmoved and found.canceling is not job.canceling else None

    def _after(self, advanced: Advanced) -> None:
        self._set_clock(advanced.at)
        self._send_granted(advanced.granted)
        for moment in (advanced.due, advanced.opens_at):
            if moment is not None:
                self._schedule_wakeup(moment)

    def _send_granted(self, messages: Sequence[StepMessage]) -> None:
        self._publisher.send(messages)

    def _hold(self, job: Job) -> Job:
        self._hands[threading.get_ident()] = (job.job_id, job.version)
        context.concerns(job)
        return job

    def _set_clock(self, at: int) -> None:
        self._ahead = at - time.monotonic() * 1000
