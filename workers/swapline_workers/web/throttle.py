"""A limit on wrong passwords, by account: an address, a name, a session."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

GUESSES = 10
"""Wrong passwords before an account must wait."""

REGAIN = 6.0
"""Seconds until one more may be tried: 14,400 guesses a day."""

ACCOUNTS = 10_000
"""About 2 MB; the least recent is dropped first."""


@dataclass(slots=True)
class WrongPasswords:
    """The number of wrong passwords of one account, as of `at` (seconds)."""

    number: float
    at: float


class LoginThrottle:
    """Counts wrong passwords. Callers hold a lock from `wait` to `note`."""

    def __init__(
        self, guesses: int = GUESSES, regain: float = REGAIN, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """Allow `guesses` at once, and one more each `regain` seconds."""
        self._most, self._regain, self._clock = guesses, regain, clock
        self._accounts: OrderedDict[Hashable, WrongPasswords] = OrderedDict()

    def wait(self, account: Hashable) -> int:
        """Return the whole seconds until a password may be compared; 0 for now."""
        return math.ceil(max(0.0, self._wrong(account) - (self._most - 1)) * self._regain)

    def note(self, account: Hashable) -> None:
        """Count a wrong password."""
        self._accounts[account] = WrongPasswords(self._wrong(account) + 1, self._clock())
        self._accounts.move_to_end(account)
        while len(self._accounts) > ACCOUNTS:
            self._accounts.popitem(last=False)

    def _wrong(self, account: Hashable) -> float:
        guesses = self._accounts.get(account)
        return max(0.0, guesses.number - (self._clock() - guesses.at) / self._regain) if guesses else 0.0


def network_of(address: str) -> str:
    """Return the address, or an IPv6's /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)  # noqa: PLR2004 -- IPv6
