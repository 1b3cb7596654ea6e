"""Register a worker with its installation, and take over its limits."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from swapline_producer.contract.accounts import Limits
from swapline_producer.errors import LedgerUnavailable
from swapline_producer.ledger.accounts.registry import DEFAULT
from swapline_producer.ledger.accounts.workers import WorkerRecord
from swapline_producer.operations.account_settings import shown
from swapline_producer.operations.vendors import fingerprint, vendor_of
from swapline_producer.settings import ENV_PREFIX
from swapline_workers.core.log_events import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.accounts.registry import Vendor
    from swapline_producer.ledger.accounts.workers import Joined
    from swapline_producer.operations.account_settings import Accounts
    from swapline_workers.settings import WorkerSettings

log = logging.getLogger(__name__)

LEAVE_TIMEOUT_S = 1.0
"""For leaving the ledger at a process's end."""


SHARED = ("result_ttl", "input_ttl", "input_shown", "job_ttl", "redis_replicas", "on_ambiguous_submit")
"""Compared between workers by `doctor`."""


class Membership:
    """One of its ledger's workers."""

    def __init__(
        self,
        ledger: Ledger,
        settings: WorkerSettings,
        store: Callable[[], str],
        rescue_after: Callable[[float], None],
        named: Callable[[], Accounts] | None = None,
    ) -> None:
        """`store` returns its last finding; `rescue_after` takes the seconds in force.

        `named` returns the accounts that the settings name; None where they have one.
        """
        self._named = named
        self._ledger = ledger
        self._settings = settings
        self._store = store
        self._rescue_after = rescue_after
        self._differing: dict[str, tuple[object, object]] = {}
        self._record = WorkerRecord(
            worker_id=secrets.token_hex(8),
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=time.time_ns() // 1_000_000,
            storage_url=settings.storage_url,
            webhook_keys=len(settings.webhook_secrets),
            tenant_keys=settings.webhook_tenant_secrets is not None,
            shared={name.upper(): str(getattr(settings, name)) for name in SHARED},
            limits=named_limits(settings),
        )

    def show(self) -> None:
        """Register, or renew the record. Raises WrongOwner, LedgerUnavailable."""
        if self._named is not None:
            self.show_accounts(self._named())
            return
        vendor = vendor_of(self._settings, self._ledger)
        self._joined(self._ledger.workers.join(vendor, self._record.model_copy(update=self._facts(vendor))))

    def show_accounts(self, accounts: Accounts) -> None:
        """Register this worker with these accounts. Raises WrongOwner, LedgerUnavailable."""
        vendors = {name: vendor_of(one, self._ledger, account=name) for name, one in accounts.items()}
        first = vendors.get(DEFAULT) or next(iter(vendors.values()))
        facts = {**self._facts(first), "accounts": shown(accounts)}
        joined = self._ledger.workers.join_accounts(vendors, self._record.model_copy(update=facts))
        for name in joined.new_keys:
            log.warning(
                "another key (%s) pays for the account %r from now on",
                *(vendors[name].short_key, name),
                extra={"event_name": LogEvent.ACCOUNT_KEY_CHANGED},
            )
        self._joined(joined)

    def _joined(self, joined: Joined) -> None:
        self._log_limits(joined)
        if joined.limits.rescue_after is not None:
            self._rescue_after(joined.limits.rescue_after)

    def works_on(self, queues: Iterable[str]) -> None:
        """Record the steps that this worker was started for."""
        steps = sorted(queue.removeprefix(f"{self._settings.key_prefix}.") for queue in queues)
        self._record = self._record.model_copy(update={"steps": ",".join(steps)})

    def _facts(self, vendor: Vendor) -> dict[str, str]:
        salt = vendor.key.partition(":")[0]
        keys = "\n".join(secret.get_secret_value() for secret in self._settings.webhook_secrets)
        return {
            "address": vendor.address,
            "key": vendor.short_key,
            "store": self._store(),
            "webhook_print": fingerprint(keys, salt)[-8:] if keys else "",
        }

    def start(self) -> None:
        """Do nothing: `Admission` registers the worker."""

    def drain(self) -> None:
        """Stay registered while steps are in progress."""

    def stop(self) -> None:
        """Remove the record; else it expires."""
        leaving = threading.Thread(target=self._try_to_leave, name="swapline-leave", daemon=True)
        leaving.start()
        leaving.join(LEAVE_TIMEOUT_S)

    def _try_to_leave(self) -> None:
        with suppress(LedgerUnavailable):
            self._ledger.workers.leave(self._record.worker_id)

    def _log_limits(self, joined: Joined) -> None:
        for name, before, now, account in joined.changes:
            whose = f"{ENV_PREFIX}{name.upper()}" if account == DEFAULT else f"{name} of the account {account!r}"
            log.warning(
                "%s is %s from now on, and was %s: all workers that name it agree",
                *(whose, now, "not set" if before is None else before),
                extra={"event_name": LogEvent.LIMIT_CHANGED},
            )
        mine = self._record.limits
        differing = {
            name: (getattr(mine, name), getattr(joined.limits, name))
            for name in mine.model_fields_set
            if getattr(mine, name) != getattr(joined.limits, name)
        }
        for name in differing.keys() - self._differing.keys():
            log.warning(
                "%s%s is %s here, and %s counts, which another worker names: give all workers the same. What they name"
                " counts as soon as none names another",
                *(ENV_PREFIX, name.upper(), *differing[name]),
                extra={"event_name": LogEvent.LIMIT_DIFFERS},
            )
        self._differing = differing


def named_limits(settings: WorkerSettings) -> Limits:
    """Return the limits that were set explicitly."""
    names = settings.model_fields_set & Limits.model_fields.keys()
    return Limits.model_validate({name: value for name in names if (value := getattr(settings, name)) is not None})
