"""HTTP Basic authentication with limits on guesses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING

from swapline_workers.web.sessions import Sessions
from swapline_workers.web.throttle import LoginThrottle, network_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

NAME_GUESSES, NAME_REGAIN = 200, 1.0
"""For one name from all addresses, and seconds until one more (86,400 a day)."""


class Verdict(Enum):
    """The answer to a request."""

    WELCOME = auto()
    UNKNOWN = auto()
    """No name and password, or wrong ones."""
    WAIT = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and what goes with it."""

    verdict: Verdict
    wait: int = 0
    session: str = ""
    """A new token, for a browser without one."""
    pair: int = 0
    """Which of the names and passwords it was."""


class BasicAuth:
    """Compares names and passwords in constant time; counts wrong ones by address and name, and by name.

    A browser with a session is never locked out.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], *, clock: Callable[[], float] = monotonic) -> None:
        """Keep digests only. `clock` returns seconds."""
        known = [f"{user}:{password}" for user, password in pairs]
        self._digests = [_digest(pair.encode()) for pair in known]
        self._names = {_digest(pair.partition(":")[0].encode()) for pair in known}
        self._sessions = Sessions("\n".join(known))
        self._by_account = LoginThrottle(clock=clock)
        self._by_name = LoginThrottle(NAME_GUESSES, NAME_REGAIN, clock=clock)
        self._lock = threading.Lock()

    def decide(self, authorization: str, address: str, session: str = "") -> Decision:
        """Judge a request by its Authorization header and session token."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "basic":
            return Decision(Verdict.UNKNOWN)
        credentials = _decode(token)
        name, given = _digest(credentials.partition(b":")[0]), _digest(credentials)
        known = self._sessions.known(session)
        accounts: list[tuple[LoginThrottle, Hashable]] = [(self._by_account, (network_of(address), name))]
        if known:
            accounts = [(self._by_account, session)]
        elif name in self._names:
            accounts.append((self._by_name, name))
        with self._lock:
            wait = max(throttle.wait(account) for throttle, account in accounts)
            if wait:
                return Decision(Verdict.WAIT, wait)
            matches = [hmac.compare_digest(given, right) for right in self._digests]  # all of them, in constant time
            if any(matches):
                session = "" if known else self._sessions.new()
                return Decision(Verdict.WELCOME, session=session, pair=matches.index(True))
            for throttle, account in accounts:
                throttle.note(account)
        return Decision(Verdict.UNKNOWN)


def _digest(credentials: bytes) -> bytes:
    return hashlib.sha256(credentials).digest()  # of one length, whatever was sent


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return b""
