"""One client of the vendor for each account, replaced when the accounts change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_workers.errors import NotSent

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from swapline_producer.contract import ApiVersion, JobSpec
    from swapline_producer.operations.account_settings import Accounts, AccountSettings
    from swapline_workers.steps.ports import StatusReply, Submission, Vendor


class VendorPool:
    """The port `VendorAccounts`. Thread-safe: the table of clients is replaced whole."""

    def __init__(self, accounts: Accounts, client_of: Callable[[AccountSettings], Vendor]) -> None:
        """Build a client for each account with `client_of`."""
        self._client_of = client_of
        self._accounts: Accounts = {}
        self._clients: dict[str, Vendor] = {}
        self.use(accounts)

    def use(self, accounts: Accounts) -> None:
        """Use these accounts from the next call on; calls under way keep their client."""
        kept = {name: self._clients[name] for name, one in accounts.items() if self._accounts.get(name) == one}
        self._clients = {name: kept.get(name) or self._client_of(one) for name, one in accounts.items()}
        self._accounts = accounts

    def of(self, account: str) -> Vendor:
        """Return an account's client; that of an unknown one sends nothing."""
        return self._clients.get(account) or UnknownAccount(account)


class UnknownAccount:
    """An account that this worker's settings do not name: nothing is sent."""

    def __init__(self, account: str) -> None:
        """Keep the name."""
        self._account = account

    def submit(self, spec: JobSpec, image: str) -> Submission:  # noqa: ARG002 -- the port's shape
        """Raise NotSent."""
        raise self._error()

    def poll(self, vendor_job_id: str, api_version: ApiVersion) -> AbstractContextManager[StatusReply]:  # noqa: ARG002 -- the same
        """Raise NotSent."""
        raise self._error()

    def _error(self) -> NotSent:
        return NotSent(f"this worker does not know the account {self._account!r}: name it in SWAPLINE_ACCOUNTS")
