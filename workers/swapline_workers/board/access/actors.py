"""Who may decide on the board: with the console's password, or an admin key of their tenant.

Cookies and form tokens are signed with a secret that ends with the key or the password.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from time import time
from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract.access import KEY_PREFIX, Scope
from swapline_workers.web.throttle import LoginThrottle, network_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract import Job
    from swapline_producer.contract.access import ApiKey
    from swapline_producer.ledger import Ledger

COOKIE = "swapline_console"

LIFETIME_S = 12 * 3600
"""Seconds of a sign-in: a day's work."""

DAY_S = 86_400
"""Seconds of a form's token: an unchanged page is not sent again."""

CONSOLE = "console"
"""The name of who gave the console's password."""


class Actor(NamedTuple):
    """A signed-in person, by the name in jobs' logs."""

    name: str
    secret: bytes
    tenant: str | None = None
    """Whose jobs alone; None: everybody's, and the installation's limits."""

    def may_decide(self, job: Job) -> bool:
        """Whether this job is one of theirs."""
        return self.tenant in {None, job.tenant}

    def signed(self, text: str) -> str:
        """Return a signature that only the signed-in can make."""
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()


class SignIn(NamedTuple):
    """An actor, or the seconds to wait after wrong passwords, or neither."""

    actor: Actor | None = None
    wait: int = 0


class Actors:
    """Knows the console's password, and asks the ledger for keys."""

    def __init__(self, ledger: Ledger, password: str, *, clock: Callable[[], float] = time) -> None:
        """`password` may be empty: then only keys count. `clock` returns UTC seconds."""
        self._ledger = ledger
        self._clock = clock
        self._person = Actor(CONSOLE, _stretched(password)) if password else None
        self._throttle = LoginThrottle()
        self._lock = threading.Lock()

    def of(self, cookie: str, *, has_password: bool) -> Actor | None:
        """Return who asks, by password or cookie. Raises LedgerUnavailable."""
        return self._person if has_password else self._of_cookie(cookie)

    def _of_cookie(self, cookie: str) -> Actor | None:
        ends, _, rest = cookie.partition(".")
        name, _, signature = rest.partition(".")
        if not (ends.isdecimal() and name) or int(ends[:15]) <= self._clock():
            return None
        actor = self._person if name == CONSOLE else self._holder(self._ledger.api_keys.with_id(name))
        valid = actor and hmac.compare_digest(actor.signed(f"cookie {ends}.{name}"), signature)
        return actor if valid else None

    def sign_in(self, given: str, address: str) -> SignIn:
        """Judge a password or key. Raises LedgerUnavailable."""
        account = network_of(address)
        with self._lock:
            if wait := self._throttle.wait(account):
                return SignIn(wait=wait)
        actor = self._known(given)
        if actor is None:
            with self._lock:
                self._throttle.note(account)
        return SignIn(actor)

    def _known(self, given: str) -> Actor | None:
        if given.startswith(KEY_PREFIX):
            return self._holder(self._ledger.api_keys.with_key(given))
        right = self._person is not None and hmac.compare_digest(_stretched(given), self._person.secret)
        return self._person if right else None

    @staticmethod
    def _holder(found: tuple[ApiKey, str] | None) -> Actor | None:
        if found is None or Scope.ADMIN not in found[0].scopes:
            return None
        key, key_hash = found
        return Actor(key.key_id, key_hash.encode(), key.tenant)

    def cookie_of(self, actor: Actor) -> str:
        """Return a cookie's value."""
        ends = int(self._clock()) + LIFETIME_S
        return f"{ends}.{actor.name}.{actor.signed(f'cookie {ends}.{actor.name}')}"

    def token_of(self, actor: Actor) -> str:
        """Return the token of a page's forms."""
        return actor.signed(f"form {int(self._clock()) // DAY_S}")

    def is_token(self, actor: Actor, token: str) -> bool:
        """Whether a form has a token of today or yesterday."""
        today = int(self._clock()) // DAY_S
        right = [actor.signed(f"form {day}") for day in (today, today - 1)]
        return any(hmac.compare_digest(one.encode(), token.encode()) for one in right)


def _stretched(password: str) -> bytes:
    # Slow on purpose (50 ms), so that a cookie does not help to guess the password.
    return hashlib.scrypt(password.encode(), salt=b"swapline console", n=2**14, r=8, p=1, dklen=32)
