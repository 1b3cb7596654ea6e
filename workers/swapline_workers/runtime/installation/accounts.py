"""The accounts of this worker: read at its start, and again when their files change."""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable, SettingsError
from swapline_workers.core.log_events import LogEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.operations.account_settings import Accounts, AccountsSource, Stamp

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
"""Seconds between two checks whether a file has changed."""


class NamedAccounts(threading.Thread):
    """The accounts in use. A change counts once the ledger has taken it."""

    def __init__(self, source: AccountsSource) -> None:
        """Read the accounts. Raises SettingsError."""
        super().__init__(name="swapline-accounts", daemon=True)
        self._source = source
        self.current: Accounts = source.read()
        self._seen: Stamp | None = None  # the first check reads again what may have changed since
        self._draining = threading.Event()
        self._show: Callable[[Accounts], None] = lambda _: None
        self._use: Callable[[Accounts], None] = lambda _: None
        self._last_problem = ""

    def connect(self, show: Callable[[Accounts], None], use: Callable[[Accounts], None]) -> None:
        """Call `show` with new accounts (raises SettingsError where the ledger refuses them), then `use`."""
        self._show, self._use = show, use

    def check(self) -> None:
        """Read the files again where they have changed."""
        seen = self._source.stamp()
        if seen == self._seen:
            return
        try:
            accounts = self._source.read()
            if accounts != self.current:
                self._show(accounts)
                self._use(accounts)
                self.current = accounts
                extra = {"event_name": LogEvent.ACCOUNTS_READ}
                log.info("the accounts were read again: %s", ", ".join(accounts), extra=extra)
            self._last_problem = ""
        except LedgerUnavailable:  # asked again at the next check
            return
        except SettingsError as error:
            self._warn(str(error))
            return
        self._seen = seen

    def _warn(self, sentence: str) -> None:
        """Log a problem once. The file is read again each second: it may be half written, or jobs may end."""
        problem = re.sub(r"\d+", "", sentence)
        if problem != self._last_problem:
            extra = {"event_name": LogEvent.ACCOUNTS_KEPT}
            log.warning("the accounts stay as they were: %s", sentence, extra=extra)
        self._last_problem = problem

    def run(self) -> None:
        """Check until it is stopped."""
        while not self._draining.wait(CHECK_INTERVAL_S):
            try:
                self.check()
            except Exception:  # an odd file must not keep later changes from being read
                log.exception("the accounts could not be read again; they stay as they were")

    def drain(self) -> None:
        """Go on: jobs in progress need their accounts."""

    def stop(self) -> None:
        """End the thread."""
        self._draining.set()
        if self.is_alive():
            self.join(CHECK_INTERVAL_S * 5)
