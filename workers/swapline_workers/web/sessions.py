"""Signed tokens for browsers that have sent the right password.

A token opens no page: its guesses are counted on their own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COOKIE = "swapline_session"

LIFETIME = 30 * 86_400
"""Seconds of a session: 30 days."""


class Sessions:
    """Makes and checks tokens `EXPIRES.ID.SIGNATURE`."""

    def __init__(self, secret: str, *, clock: Callable[[], float] = time) -> None:
        """Derive the key from a secret. `clock` returns seconds."""
        # Slow on purpose (50 ms), so that a leaked token does not help to guess the secret.
        self._key = hashlib.scrypt(secret.encode(), salt=b"swapline session", n=2**14, r=8, p=1, dklen=32)
        self._clock = clock

    def new(self) -> str:
        """Return a token."""
        name = f"{int(self._clock()) + LIFETIME}.{secrets.token_hex(16)}"
        return f"{name}.{self._signature(name)}"

    def known(self, token: str) -> bool:
        """Whether a token is ours and has not expired."""
        name, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(name).encode()):
            return False
        return self._clock() < int(name.partition(".")[0])

    def _signature(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()
