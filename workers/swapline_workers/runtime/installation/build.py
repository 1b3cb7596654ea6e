"""Build the parts that decide for which accounts a worker works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.operations.account_settings import accounts_source
from swapline_producer.retention.store_owner import check_store
from swapline_producer.storage import open_storage
from swapline_workers.adapters.vendor_pool import VendorPool
from swapline_workers.dispatch.worker_state import stop_worker
from swapline_workers.runtime.clients import Account
from swapline_workers.runtime.due_dispatcher import RENEWALS
from swapline_workers.runtime.installation.accounts import NamedAccounts
from swapline_workers.runtime.installation.admission import Admission
from swapline_workers.runtime.installation.membership import Membership
from swapline_workers.runtime.store.guard import StoreGuard

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.ledger import Ledger
    from swapline_workers.runtime.due_dispatcher import DueDispatcher
    from swapline_workers.settings import WorkerSettings
    from swapline_workers.steps.ports import Vendor

STORE_CHECK_TIMEOUT = 5.0
"""Seconds that a worker's start waits for a store."""


def build_named_accounts(settings: WorkerSettings) -> NamedAccounts | None:
    """Return the accounts that settings name; None: the one of API_KEY."""
    source = accounts_source(settings)
    return None if source is None else NamedAccounts(source)


def build_vendor_pool(
    named: NamedAccounts | None, membership: Membership, client_of: Callable[[Account], Vendor]
) -> VendorPool | None:
    """Return the vendor's clients by account, as settings name them now."""
    if named is None:
        return None
    pool = VendorPool(
        named.current, lambda one: client_of(Account(one.base_url, one.key, one.key_header, one.key_prefix))
    )
    named.connect(membership.show_accounts, pool.use)
    return pool


def build_admission(
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


def _store_guard(settings: WorkerSettings, ledger: Ledger, admission: Admission, membership: Membership) -> StoreGuard:
    storage = open_storage(settings.storage_url, timeout=min(settings.storage_timeout, STORE_CHECK_TIMEOUT))
    return StoreGuard(lambda: check_store(ledger, storage), admission.refuse, found_first=membership.show)
