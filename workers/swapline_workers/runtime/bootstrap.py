"""Build the parts of a worker process from its settings, in one place."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from swapline_producer.contract.jobs.service_times import EVERY_KIND
from swapline_producer.ledger import Ledger, open_ledger
from swapline_producer.messaging.publisher import CeleryPublisher
from swapline_producer.retention.orphans import Janitor
from swapline_producer.retention.purge import Purge
from swapline_producer.retention.sweep import Sweep
from swapline_producer.settings import load
from swapline_workers.adapters.endpoints import RecentEndpoints
from swapline_workers.adapters.http.replies.status_body import DOWNLOAD
from swapline_workers.adapters.service_times import LearnedTimes
from swapline_workers.core.bulkhead import DeliveryBulkhead
from swapline_workers.core.picture_memory import PictureMemory
from swapline_workers.core.policy import Policy
from swapline_workers.core.schedule.polling import Bounds
from swapline_workers.dispatch.local_first import LocalFirstPublisher
from swapline_workers.pictures.build import build_finisher
from swapline_workers.runtime.attempt_keeper import AttemptKeeper
from swapline_workers.runtime.clients import Clients, only_account
from swapline_workers.runtime.due_dispatcher import RENEWALS, DueDispatcher
from swapline_workers.runtime.heartbeat import Allowed, Heartbeat
from swapline_workers.runtime.installation.build import build_admission, build_named_accounts, build_vendor_pool
from swapline_workers.runtime.maintenance import Housekeeping
from swapline_workers.runtime.services import Role, WorkerServices
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.runtime.session.outage import OUTAGE_LIMIT_S
from swapline_workers.runtime.shutdown import GracefulShutdown
from swapline_workers.runtime.store.probe import StoreProbe
from swapline_workers.settings import WorkerSettings
from swapline_workers.steps.ports import Ports
from swapline_workers.telemetry.tracing import build_tracing
from swapline_workers.telemetry.worker_metrics import WorkerMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.storage import Storage
    from swapline_workers.runtime.store.guard import StoreGuard

INITIAL_DELIVERIES = 8
"""Deliveries at once until the number of threads is known."""

OBJECTS = 10
"""Objects of the longest step: nine pictures and a receipt."""


class Builder:
    """Builds the services once a process: a child must not use its parent's connections."""

    def __init__(self) -> None:
        """Build nothing yet."""
        self._built: tuple[int, WorkerServices] | None = None

    def __call__(self) -> WorkerServices:
        """Return this process's services. Raises SettingsError."""
        if self._built is None or self._built[0] != os.getpid():
            forked = self._built is not None
            self._built = (os.getpid(), build_services(load(WorkerSettings)))
            if forked:
                self._built[1].start(Role.CHILD)
        return self._built[1]


def build_services(settings: WorkerSettings) -> WorkerServices:
    """Put the parts together, not yet connected."""
    meter = WorkerMeter(settings)
    ledger = open_ledger(settings)
    publisher = CeleryPublisher(ledger.client, settings.key_prefix)
    local_first = LocalFirstPublisher(publisher)
    tracing = build_tracing()
    due_dispatcher = _due_dispatcher(settings, ledger, local_first, lambda: session)
    memory = PictureMemory(settings.pictures_in_hand, kept_for=settings.rescue_after)
    session = JobSession(ledger, local_first, schedule_wakeup=due_dispatcher.schedule_wakeup, has_pictures=memory.has)
    named = build_named_accounts(settings)
    membership, admission, store_guard = build_admission(settings, ledger, due_dispatcher, named)
    clients = Clients(settings, ledger, meter, tracing)
    bulkhead = DeliveryBulkhead(INITIAL_DELIVERIES)
    meter.watch(lambda: len(session.leases.all()))
    ports = Ports(
        writes=session.writes,
        view=session.view,
        vendor=clients.vendor(only_account(settings)),
        pictures=clients.pictures(),
        memory=memory,
        finisher=build_finisher(settings),
        webhooks=clients.webhooks(),
        endpoints=RecentEndpoints(ledger.webhooks),
        bulkhead=bulkhead,
        times=LearnedTimes(ledger, EVERY_KIND),
        policy=_policy(settings),
        rng=random.random,
        accounts=build_vendor_pool(named, membership, clients.vendor),
    )
    return WorkerServices(
        settings=settings,
        ledger=ledger,
        local_first=local_first,
        session=session,
        admission=admission,
        membership=membership,
        store_guard=store_guard,
        due_dispatcher=due_dispatcher,
        attempt_keeper=AttemptKeeper(session.attempts),
        ports=ports,
        shutdown=GracefulShutdown(session, grace=settings.stop_grace),
        bulkhead=bulkhead,
        housekeeping=_housekeeping(settings, ledger, publisher, clients.storage, store_guard),
        meter=meter,
        heartbeat=_heartbeat(settings, due_dispatcher, session),
        tracing=tracing,
        named_accounts=named,
    )


def _due_dispatcher(
    settings: WorkerSettings, ledger: Ledger, publisher: LocalFirstPublisher, session: Callable[[], JobSession]
) -> DueDispatcher:
    return DueDispatcher(
        ledger,
        publisher,
        session=session,
        renew_every=settings.rescue_after / RENEWALS,
    )


def _heartbeat(settings: WorkerSettings, due_dispatcher: DueDispatcher, session: JobSession) -> Heartbeat:
    return Heartbeat(
        settings.heartbeat_file,
        due_dispatcher=due_dispatcher,
        allowed=Allowed(settings.rescue_after / RENEWALS, longest_step(settings)),
        unwritten=lambda: session.outage.unwritten,
    )


def _housekeeping(
    settings: WorkerSettings,
    ledger: Ledger,
    publisher: CeleryPublisher,
    storage: Storage,
    store_guard: StoreGuard,
) -> Housekeeping:
    return Housekeeping(
        Sweep(ledger, storage, timeout=settings.storage_timeout),
        Purge(ledger, publisher, storage),
        Janitor(ledger, storage, result_ttl=settings.result_ttl),
        ledger.retention.claim_periodic_task,
        StoreProbe(ledger, storage, timeout=settings.storage_timeout),
        store_guard.check,
    )


def _policy(settings: WorkerSettings) -> Policy:
    return Policy(
        polls=Bounds(settings.poll_min_interval, settings.poll_max_interval, settings.poll_budget),
        on_ambiguous_submit=settings.on_ambiguous_submit,
        rescue_after=settings.rescue_after,
        lost_after=settings.lost_after,
        store_timeout=settings.store_timeout,
        webhook_schedule=settings.webhook_schedule,
        webhook_disable_after=settings.webhook_disable_after,
    )


def longest_step(settings: WorkerSettings) -> float:
    """Return the seconds after which a step's thread counts as stuck."""
    calls = settings.submit_timeout + (1 + DOWNLOAD) * settings.status_timeout + settings.webhook_timeout
    return OUTAGE_LIMIT_S + calls + OBJECTS * settings.storage_timeout
