"""The parts of one worker process, and their start and stop."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from swapline_producer.contract import Step
from swapline_producer.errors import LedgerUnavailable, StorageError, WrongOwner
from swapline_workers.runtime.lifecycle import Part, Parts

if TYPE_CHECKING:
    from collections.abc import Collection

    from swapline_producer.ledger import Ledger
    from swapline_workers.core.bulkhead import DeliveryBulkhead
    from swapline_workers.dispatch.local_first import LocalFirstPublisher
    from swapline_workers.runtime.attempt_keeper import AttemptKeeper
    from swapline_workers.runtime.due_dispatcher import DueDispatcher
    from swapline_workers.runtime.heartbeat import Heartbeat
    from swapline_workers.runtime.installation.admission import Admission
    from swapline_workers.runtime.installation.membership import Membership
    from swapline_workers.runtime.maintenance import Housekeeping
    from swapline_workers.runtime.session.job_session import JobSession
    from swapline_workers.runtime.shutdown import GracefulShutdown
    from swapline_workers.runtime.store.guard import StoreGuard
    from swapline_workers.settings import WorkerSettings
    from swapline_workers.steps.ports import Ports
    from swapline_workers.telemetry.tracing import Tracing
    from swapline_workers.telemetry.worker_metrics import WorkerMeter


class Role(Enum):
    """What a process of a worker does."""

    WHOLE = auto()
    """Reads messages and runs steps."""
    PARENT = auto()
    """Reads messages for child processes."""
    CHILD = auto()
    """Runs steps of its parent."""


@dataclass(slots=True)
class WorkerServices:
    """The parts of one worker process."""

    settings: WorkerSettings
    ledger: Ledger
    local_first: LocalFirstPublisher
    session: JobSession
    admission: Admission
    membership: Membership
    store_guard: StoreGuard
    due_dispatcher: DueDispatcher
    attempt_keeper: AttemptKeeper
    ports: Ports
    shutdown: GracefulShutdown
    bulkhead: DeliveryBulkhead
    housekeeping: Housekeeping
    meter: WorkerMeter
    heartbeat: Heartbeat
    tracing: Tracing
    named_accounts: Part | None = None
    """Set where the settings name several accounts."""
    local_dispatcher: Part | None = None
    running: Parts = field(default_factory=lambda: Parts(()))

    def set_concurrency(self, threads: int, queues: Collection[str]) -> None:
        """Set how many steps run at once; webhooks take half, or all where alone."""
        self.membership.works_on(queues)
        self.meter.threads.set(threads)
        self.heartbeat.threads = threads
        only_webhooks = set(queues) == {Step.NOTIFY.queue(self.settings.key_prefix)}
        self.ports.memory.used = Step.FINALIZE.queue(self.settings.key_prefix) in queues
        self.bulkhead.resize(threads if only_webhooks else threads // 2)

    def start(self, role: Role = Role.WHOLE) -> None:
        """Start the parts in order. Raises WrongOwner for another's ledger or store."""
        self.session.writes.claims_follow = role is not Role.CHILD  # which ends without draining
        if role is Role.CHILD:
            with suppress(WrongOwner, StorageError, LedgerUnavailable):  # then the admission refuses each step
                self.store_guard.check()
        self.running = Parts(self._parts(role))
        self.running.start()

    def _parts(self, role: Role) -> list[Part]:
        accounts = [self.named_accounts] if self.named_accounts else []
        if role is Role.CHILD:
            return [self.tracing, self.meter, *accounts, self.due_dispatcher, self.attempt_keeper, self.housekeeping]
        parts: list[Part] = [self.tracing, self.meter, self.heartbeat, self.membership, self.admission, *accounts]
        if role is Role.PARENT:
            return [*parts, self.due_dispatcher]
        parts += [self.store_guard, self.due_dispatcher, self.attempt_keeper, self.housekeeping]
        return [*parts, self.local_dispatcher] if self.local_dispatcher else parts

    def drain(self, *, process_ends: bool = False, at_once: bool = False) -> None:
        """Finish the steps in progress: see `GracefulShutdown.begin`."""
        self.ports.memory.used = False
        self.running.drain()
        self.shutdown.begin(process_ends=process_ends, at_once=at_once)

    def stop(self) -> None:
        """Stop the parts."""
        self.shutdown.end()
        self.running.stop()
