"""Whether the ledger belongs to the vendor of these settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, WrongOwner
from swapline_producer.ledger import Ledger, connect
from swapline_producer.operations.doctor.findings import Finding, fail, ok, unchecked
from swapline_producer.operations.vendors import vendor_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_workers.settings import WorkerSettings

NAME = "account"


def examine(settings: WorkerSettings, timeout: float) -> Iterator[Finding]:
    """Ask as a worker would, and bind nothing."""
    with connect(settings.redis_url, timeout=timeout, retries=0) as client:
        ledger = Ledger(client, settings.key_prefix)
        try:
            vendor = vendor_of(settings, ledger)
            ledger.workers.join(vendor, check_only=True)
            bound = ledger.accounts.get() is not None
        except WrongOwner as error:
            yield fail(NAME, str(error), "no worker with these settings starts; `swapline accounts` shows the ledger's")
            return
        except LedgerUnavailable:
            yield unchecked(NAME, "Redis must be well first")
            return
    yield ok(NAME, f"this ledger {'belongs' if bound else 'will belong'} to {vendor}")
