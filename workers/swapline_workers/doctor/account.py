"""Whether the ledger belongs to the vendor of these settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, SettingsError
from swapline_producer.ledger import Ledger, connect
from swapline_producer.ledger.accounts.registry import DEFAULT
from swapline_producer.operations.account_settings import accounts_source
from swapline_producer.operations.doctor.findings import Finding, fail, ok, unchecked
from swapline_producer.operations.vendors import vendor_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from swapline_producer.operations.vendors import Credentials
    from swapline_workers.settings import WorkerSettings

NAME = "account"


def examine(settings: WorkerSettings, timeout: float) -> Iterator[Finding]:
    """Ask as a worker would, and bind nothing."""
    with connect(settings.redis_url, timeout=timeout, retries=0) as client:
        ledger = Ledger(client, settings.key_prefix)
        try:
            source = accounts_source(settings)
            accounts: Mapping[str, Credentials] = {DEFAULT: settings} if source is None else source.read()
            vendors = {name: vendor_of(one, ledger, account=name) for name, one in accounts.items()}
            if source is None:
                ledger.workers.join(vendors[DEFAULT], check_only=True)
            else:
                ledger.workers.join_accounts(vendors, check_only=True)
            bound = all(ledger.accounts.get(name) is not None for name in vendors)
        except SettingsError as error:
            yield fail(NAME, str(error), "no worker with these settings starts; `swapline accounts` shows the ledger's")
            return
        except LedgerUnavailable:
            yield unchecked(NAME, "Redis must be well first")
            return
    whom = ", ".join(f"{'' if source is None else f'{name}: '}{vendor}" for name, vendor in vendors.items())
    yield ok(NAME, f"this ledger {'belongs' if bound else 'will belong'} to {whom}")
