"""The ledger of the fake producer, in memory, without waiting line, slots and `due`."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swapline_producer.contract import Job, JobEvent, JobSpec, State, Step, StepMessage
from swapline_producer.contract.answers import Accepted, Advanced, CancelRequested, LostRace, Sealed
from swapline_producer.contract.transitions import apply
from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.errors import (
    BatchNotFound,
    IdempotencyConflict,
    JobNotFound,
    RequestError,
    SwaplineError,
    VendorIdInUse,
)
from swapline_producer.ledger.jobs.intake import unknown_account
from swapline_producer.ledger.retention import InputHold

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from pydantic import JsonValue

    from swapline_producer.contract import Canceling, NewJob
    from swapline_producer.contract.changes import Change


class MemoryLedger:
    """The parts of a ledger that `Producer` uses. Thread-safe."""

    def __init__(self) -> None:
        """Begin without jobs."""
        self._jobs: dict[str, Job] = {}
        self._events: dict[str, list[JobEvent]] = defaultdict(list)
        self._keys: dict[tuple[str, str], str] = {}
        self._fingerprints: dict[str, str] = {}
        self._finished: list[str] = []
        self._changed = threading.Condition()
        # One lock guards everything, so one object plays every part of a ledger.
        self.intake = self.jobs = self.transitions = self.subscriptions = self.summaries = self
        self.retention = MemoryInputs()
        self.batches = MemoryBatches(self)

    def accept(self, job: NewJob) -> Accepted:
        """See `Intake.accept`."""
        with self._changed:
            spec = JobSpec.model_validate(job.spec)
            if spec.account not in {None, DEFAULT_ACCOUNT}:
                raise unknown_account(str(spec.account), [DEFAULT_ACCOUNT])
            data: dict[str, JsonValue] = {}
            if spec.idempotency_key is not None:
                name = (spec.tenant, spec.idempotency_key)
                holder = self._holder(name, job)
                if holder is not None:
                    return Accepted(holder, created=False)
                data = {"replaces": self._keys[name]} if name in self._keys else {}
                self._keys[name] = job.job_id
                self._fingerprints[job.job_id] = job.fingerprint
            at = self.now()
            self._jobs[job.job_id] = Job(
                job_id=job.job_id,
                state=State.QUEUED,
                version=1,
                spec=spec,
                created_at=at,
                queue_until=at + round(job.queue_ttl * 1000),
                run_timeout_ms=round(job.run_timeout * 1000),
            )
            self._events[job.job_id].append(JobEvent(at=at, name="queued", data=data))
            submit = StepMessage(step=Step.SUBMIT, job_id=job.job_id, version=1)
            return Accepted(job.job_id, created=True, messages=(submit,))

    def accept_many(self, jobs: Iterable[NewJob]) -> list[Accepted | SwaplineError]:
        """See `Intake.accept_many`."""
        return [self._try_accept(job) for job in jobs]

    def advance(
        self,
        job: Job,
        change: Change,
        *,
        token: str = "",  # noqa: ARG002 -- no reply is lost here
        after: str = "",  # noqa: ARG002 -- and no write
    ) -> Advanced | LostRace | CancelRequested:
        """See `Transitions.advance`."""
        with self._changed:
            have = self.get(job.job_id)
            if (have.state, have.version) != (job.state, job.version):
                return LostRace()
            if have.canceling is not None and have.canceling is not job.canceling:
                return CancelRequested(canceling=have.canceling)
            self._check_vendor_id(have, change)
            at = self.now()
            moved = apply(have, change, at)
            self._jobs[job.job_id] = moved
            if change.note:
                self._events[job.job_id].append(JobEvent(at=at, name=change.note, data=change.data))
            if moved.state.finished and not have.state.finished:
                self._finished.append(job.job_id)
                self._changed.notify_all()
            return Advanced(job=moved, at=at)

    def request_cancel(self, job: Job, how: Canceling, by: str = "") -> bool:
        """See `Transitions.request_cancel`."""
        with self._changed:
            have = self.get(job.job_id)
            if have.state is not job.state:
                return False
            if have.canceling is not how:
                self._jobs[job.job_id] = have.model_copy(update={"canceling": how})
                data: dict[str, JsonValue] = {"result": how} | ({"by": by} if by else {})
                event = JobEvent(at=self.now(), name="cancel requested", data=data)
                self._events[job.job_id].append(event)
            return True

    def get(self, job_id: str) -> Job:
        """See `Jobs.get`."""
        try:
            return self._jobs[job_id]
        except KeyError:
            raise JobNotFound(f"There is no job {job_id!r} in the ledger.") from None

    def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """See `Jobs.get_many`."""
        return [self._jobs[job_id] for job_id in job_ids if job_id in self._jobs]

    def events(self, job_id: str) -> list[JobEvent]:
        """See `Jobs.events`."""
        return list(self._events.get(job_id, ()))

    def states(self, job_ids: Sequence[str]) -> list[State | None]:
        """See `Subscriptions.states`."""
        return [self._jobs[job_id].state if job_id in self._jobs else None for job_id in job_ids]

    def ids_of_batch(self, batch: str, tenant: str) -> list[str]:
        """Return the ids of a batch's jobs, in the order accepted."""
        return [job_id for job_id, job in list(self._jobs.items()) if (job.spec.batch, job.tenant) == (batch, tenant)]

    def finished_since(self, at: int) -> set[str]:
        """See `Subscriptions.finished_since`."""
        return {job_id for job_id in list(self._finished) if (self._jobs[job_id].finished_at or 0) >= at}

    def now(self) -> int:
        """Return UTC milliseconds."""
        return time.time_ns() // 1_000_000

    @contextmanager
    def watch(self, job_id: str) -> Generator[Callable[[float], bool]]:
        """See `Subscriptions.watch`."""

        def wait(seconds: float) -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: self._jobs[job_id].state.finished, seconds)

        yield wait

    @contextmanager
    def watch_all(self) -> Generator[Callable[[float], str | None]]:
        """See `Subscriptions.watch_all`."""
        place = len(self._finished)

        def wait(seconds: float) -> str | None:
            nonlocal place
            with self._changed:
                if not self._changed.wait_for(lambda: len(self._finished) > place, seconds):
                    return None
                place += 1
                return self._finished[place - 1]

        yield wait

    def superseded(self, job_ids: Sequence[str]) -> dict[str, str]:
        """See `Summaries.superseded`."""
        found = {}
        for job in map(self.get, job_ids):
            holder = self._keys.get((job.tenant, job.spec.idempotency_key or ""), job.job_id)
            if holder != job.job_id:
                found[job.job_id] = holder
        return found

    def _check_vendor_id(self, job: Job, change: Change) -> None:
        vendor_id = change.fields.get("vendor_job_id")
        for other in self._jobs.values():
            if vendor_id and other.vendor_job_id == vendor_id and other.job_id != job.job_id:
                raise VendorIdInUse(vendor_id, job.job_id, other.job_id)

    def _try_accept(self, job: NewJob) -> Accepted | SwaplineError:
        try:
            return self.accept(job)
        except (IdempotencyConflict, RequestError) as error:
            return error

    def _holder(self, name: tuple[str, str], job: NewJob) -> str | None:
        """Return the job that has a key and keeps it, or None."""
        if name not in self._keys:
            return None
        holder = self._jobs[self._keys[name]]
        if job.replace_failed and holder.state.finished and holder.state is not State.SUCCEEDED:
            return None
        if self._fingerprints[holder.job_id] != job.fingerprint:
            raise IdempotencyConflict(f"The idempotency key {name[1]!r} already belongs to job {holder.job_id}.")
        return holder.job_id


class MemoryBatches:
    """The batches of a ledger in memory."""

    def __init__(self, ledger: MemoryLedger) -> None:
        """Search in `ledger`."""
        self._ledger = ledger

    def job_ids(self, batch: str, tenant: str = "default") -> list[str]:
        """See `Batches.job_ids`."""
        return self._ledger.ids_of_batch(batch, tenant)

    def seal(self, batch: str, webhook_url: str, tenant: str = "default") -> Sealed:  # noqa: ARG002 -- no webhook is sent
        """See `Batches.seal`."""
        states = [self._ledger.get(job_id).state for job_id in self.job_ids(batch, tenant)]
        if not states:
            raise BatchNotFound(f"There is no batch {batch!r} of tenant {tenant!r}.")
        finished = sum(state.finished for state in states)
        return Sealed(jobs=len(states), finished=finished, completed=finished == len(states))


class MemoryInputs:
    """The inputs of a ledger in memory: none is deleted."""

    def hold_input(self, sha256: str, job_id: str) -> InputHold:  # noqa: ARG002 -- see above
        """See `Retention.hold_input`."""
        return InputHold()

    def last_deletion(self) -> int:
        """See `Retention.last_deletion`."""
        return 0
