"""Who may look: HTTP Basic authentication, and a limit on guesses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

GUESSES = 10
"""Wrong passwords from one address before it must wait: more than a person needs who tries all of his own."""

REGAIN = 6.0
"""Seconds until an address may guess once more: 14,400 guesses a day, which no password of ten random letters minds."""

ADDRESSES = 10_000
"""Addresses remembered, about 2 MB; the one that guessed longest ago is forgotten first."""


class Verdict(Enum):
    """What becomes of a request."""

    WELCOME = auto()
    UNKNOWN = auto()
    """No name and password, or wrong ones."""
    WAIT = auto()
    """Too many wrong ones: not even looked at."""


@dataclass(slots=True)
class LoginThrottle:
    """The wrong passwords of one address: how many are on its account, as of a moment."""

    number: float
    at: float


class BasicAuth:
    """Compares names and passwords, in constant time, and counts wrong ones by address.

    Right ones cost nothing. An address that has guessed too often is not compared at all, so that guessing on does not
    help; it may guess once more after `REGAIN` seconds. Counting by address (IPv6: by network) leaves others in peace.
    """

    def __init__(self, user: str, password: str, *, clock: Callable[[], float] = monotonic) -> None:
        """Keep a digest only. `clock` gives seconds."""
        self._digest = _digest(f"{user}:{password}".encode())
        self._clock = clock
        self._guesses: OrderedDict[str, LoginThrottle] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, authorization: str, address: str) -> Verdict:
        """Judge a request by its Authorization header; empty where it has none."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "basic":
            return Verdict.UNKNOWN
        who = _network(address)
        with self._lock:
            if self._on_account(who) > GUESSES - 1:
                return Verdict.WAIT
            if hmac.compare_digest(_digest(_decoded(token)), self._digest):
                return Verdict.WELCOME
            self._note(who)
            return Verdict.UNKNOWN

    def wait(self, address: str) -> int:
        """Whole seconds until this address may try again."""
        with self._lock:
            return max(1, math.ceil((self._on_account(_network(address)) - (GUESSES - 1)) * REGAIN))

    def _on_account(self, who: str) -> float:
        guesses = self._guesses.get(who)
        return max(0.0, guesses.number - (self._clock() - guesses.at) / REGAIN) if guesses else 0.0

    def _note(self, who: str) -> None:
        self._guesses[who] = LoginThrottle(self._on_account(who) + 1, self._clock())
        self._guesses.move_to_end(who)
        while len(self._guesses) > ADDRESSES:
            self._guesses.popitem(last=False)


def _digest(credentials: bytes) -> bytes:
    return hashlib.sha256(credentials).digest()  # of one length, whatever was sent


def _decoded(token: str) -> bytes:
    try:
        return base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _network(address: str) -> str:
    """The address, or for IPv6 its /64: one household has as many addresses as it likes."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)  # noqa: PLR2004 -- IPv6
