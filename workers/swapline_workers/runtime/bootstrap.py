"""Build the parts of a worker process from its settings, in one place."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from swapline_producer.contract.jobs.service_times import EVERY_KIND
from swapline_producer.ledger import Ledger, open_ledger
from swapline_producer.messaging.publisher import CeleryPublisher
from swapline_producer.operations.account_settings import accounts_source
from swapline_producer.retention.orphans import Janitor
from swapline_producer.retention.purge import Purge
from swapline_producer.retention.store_owner import check_store
from swapline_producer.retention.sweep import Sweep
from swapline_producer.settings import load
from swapline_producer.storage import open_storage
from swapline_workers.adapters.http.status_body import DOWNLOAD
from swapline_workers.adapters.pictures import PictureStore
from swapline_workers.adapters.read_ahead import ReadAhead
from swapline_workers.adapters.service_times import LearnedTimes
from swapline_workers.adapters.vendor import VendorClient
from swapline_workers.adapters.vendor_pool import VendorPool
from swapline_workers.adapters.webhook import WebhookSender
from swapline_workers.core.bulkhead import DeliveryBulkhead
from swapline_workers.core.picture_memory import PictureMemory
from swapline_workers.core.policy import Policy
from swapline_workers.core.schedule.polling import Bounds
from swapline_workers.dispatch.local_first import LocalFirstPublisher
from swapline_workers.dispatch.worker_state import stop_worker
from swapline_workers.pictures.build import build_finisher
from swapline_workers.runtime.due_dispatcher import DueDispatcher
from swapline_workers.runtime.heartbeat import Allowed, Heartbeat
from swapline_workers.runtime.installation.accounts import NamedAccounts
from swapline_workers.runtime.installation.admission import Admission
from swapline_workers.runtime.installation.membership import Membership
from swapline_workers.runtime.maintenance import Housekeeping
from swapline_workers.runtime.services import Role, WorkerServices
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.runtime.session.outage import OUTAGE_LIMIT_S
from swapline_workers.runtime.shutdown import GracefulShutdown
from swapline_workers.runtime.store.guard import StoreGuard
from swapline_workers.runtime.store.probe import StoreProbe
from swapline_workers.settings import WorkerSettings
from swapline_workers.steps.ports import Ports, Vendor
from swapline_workers.telemetry.tracing import build_tracing
from swapline_workers.telemetry.worker_metrics import MeasuredVendor, WorkerMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from swapline_producer.storage import Storage
    from swapline_workers.telemetry.tracing import Tracing

RENEWALS = 3
"""Renewals of a lease before a rescue: two may fail."""

INITIAL_DELIVERIES = 8
"""Deliveries at once until the number of threads is known."""

OBJECTS = 10
"""Objects of the longest step: nine pictures and a receipt."""

STORE_CHECK_TIMEOUT = 5.0
"""Seconds that a worker's start waits for a store."""

PICTURE_SPANS = {"input_text": "read input", "store": "store"}


class Account(NamedTuple):
    """Where the calls for an account go, and which key pays."""

    base_url: str
    key: SecretStr
    key_header: str
    key_prefix: str


class Builder:
    """Builds the services once for each process: a child must not use its parent's connections."""

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
    named = _named_accounts(settings)
    membership, admission, store_guard = _admission(settings, ledger, due_dispatcher, named)
    accounts = _vendor_pool(named, membership, lambda one: _traced_vendor(settings, one, meter, tracing))
    bulkhead = DeliveryBulkhead(INITIAL_DELIVERIES)
    meter.watch(lambda: len(session.leases.all()))
    storage = _storage(settings)
    ports = Ports(
        writes=session.writes,
        view=session.view,
        vendor=_traced_vendor(settings, _only_account(settings), meter, tracing),
        pictures=tracing.calls(_pictures(settings, storage, ledger), "", PICTURE_SPANS),
        memory=memory,
        finisher=build_finisher(settings),
        webhooks=tracing.calls(_webhooks(settings, ledger), "", {"deliver": "POST webhook"}),
        endpoints=ledger.webhooks,
        bulkhead=bulkhead,
        times=LearnedTimes(ledger, EVERY_KIND),
        policy=_policy(settings),
        rng=random.random,
        accounts=accounts,
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
        ports=ports,
        shutdown=GracefulShutdown(session, grace=settings.stop_grace),
        bulkhead=bulkhead,
        housekeeping=_housekeeping(settings, ledger, publisher, storage, store_guard),
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
        leased_jobs=lambda: session().leases.all(),  # noqa: PLW0108 -- the session is built later
        renew_every=settings.rescue_after / RENEWALS,
    )


def _admission(
    settings: WorkerSettings, ledger: Ledger, due_dispatcher: DueDispatcher, named: NamedAccounts | None
) -> tuple[Membership, Admission, StoreGuard]:
    """Return the parts that decide whether this worker may work."""
    membership = Membership(
        ledger,
        settings,
        lambda: store_guard.found,
        lambda seconds: due_dispatcher.renew_within(seconds / RENEWALS),
        None if named is None else lambda: named.current,
    )
    admission = Admission(membership.show, stop_worker)
    store_guard = _store_guard(settings, ledger, admission, membership)
    due_dispatcher.before_claims(admission.renew)
    return membership, admission, store_guard


def _storage(settings: WorkerSettings) -> Storage:
    return open_storage(settings.storage_url, timeout=settings.storage_timeout, public_url=settings.storage_public_url)


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


def _store_guard(settings: WorkerSettings, ledger: Ledger, admission: Admission, membership: Membership) -> StoreGuard:
    storage = open_storage(settings.storage_url, timeout=min(settings.storage_timeout, STORE_CHECK_TIMEOUT))
    return StoreGuard(lambda: check_store(ledger, storage), admission.refuse, found_first=membership.show)


def _named_accounts(settings: WorkerSettings) -> NamedAccounts | None:
    source = accounts_source(settings)
    return None if source is None else NamedAccounts(source)


def _vendor_pool(
    named: NamedAccounts | None, membership: Membership, client_of: Callable[[Account], Vendor]
) -> VendorPool | None:
    if named is None:
        return None
    pool = VendorPool(
        named.current, lambda one: client_of(Account(one.base_url, one.key, one.key_header, one.key_prefix))
    )
    named.connect(membership.show_accounts, pool.use)
    return pool


def _only_account(settings: WorkerSettings) -> Account:
    return Account(settings.api_base_url, settings.api_key, settings.api_key_header, settings.api_key_prefix)


def _traced_vendor(settings: WorkerSettings, account: Account, meter: WorkerMeter, tracing: Tracing) -> Vendor:
    return tracing.calls(
        MeasuredVendor(_vendor(settings, account), meter),
        urlsplit(account.base_url).hostname or "",
        {"submit": "POST /run/face_swap", "poll": "POST /status"},
        opens={"poll"},
    )


def _vendor(settings: WorkerSettings, account: Account) -> VendorClient:
    return VendorClient(
        base_url=account.base_url,
        key_header=account.key_header,
        key_prefix=account.key_prefix,
        key=account.key,
        submit_timeout=settings.submit_timeout,
        status_timeout=settings.status_timeout,
        inflate=settings.check_pixels,
        max_pictures=settings.max_pictures,
        egress_proxy=settings.egress_proxy,
    )


def _pictures(settings: WorkerSettings, storage: Storage, ledger: Ledger) -> PictureStore:
    """Read ahead from cloud stores only: a file takes 0.1 ms."""
    if urlsplit(settings.storage_url).scheme == "file":
        return PictureStore(storage)
    return ReadAhead(storage, ledger.jobs.next_inputs)


def _webhooks(settings: WorkerSettings, ledger: Ledger) -> WebhookSender:
    return WebhookSender(
        secrets=settings.webhook_secrets,
        tenant_secrets=settings.webhook_tenant_secrets,
        made_secrets=ledger.webhook_secrets.active,
        allow_private=settings.webhook_allow_private,
        timeout=settings.webhook_timeout,
        egress_proxy=settings.egress_proxy,
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
