"""The two `requests` sessions of a thread: one submits, one polls.

Submissions never reuse a connection: a server may close an idle one just as a paid call is sent. Neither follows
redirects, reads the environment, keeps cookies, or repeats a call.
"""

from __future__ import annotations

import os
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import requests
from urllib3.util import Retry

from swapline_workers.adapters.http.calls import CallHeaders
from swapline_workers.adapters.http.connections.timed import DeadlineHTTPConnection, DeadlineHTTPSConnection
from swapline_workers.adapters.http.deadline import DeadlineAdapter, DeadlineHTTPPool, DeadlineHTTPSPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.connectionpool import HTTPConnectionPool

    from swapline_workers.proxy_address import ProxyAddress

NEVER_AGAIN = Retry(0, read=False)
"""No repetition; `read=False` passes errors after sending on unchanged."""


class _FreshHTTPConnection(DeadlineHTTPConnection):
    """Opened anew before each use."""

    @property
    def is_connected(self) -> bool:
        return False


class _FreshHTTPSConnection(DeadlineHTTPSConnection):
    """The same over TLS."""

    @property
    def is_connected(self) -> bool:
        return False


class _FreshHTTPPool(DeadlineHTTPPool):
    ConnectionCls = _FreshHTTPConnection


class _FreshHTTPSPool(DeadlineHTTPSPool):
    ConnectionCls = _FreshHTTPSConnection


class FreshAdapter(DeadlineAdapter):
    """Opens a connection for every call."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _FreshHTTPPool, "https": _FreshHTTPSPool}


class _StraightSession(requests.Session):
    """A session without redirects: even unfollowed, their body would be read."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target."""


class Pair(NamedTuple):
    """The sessions of one thread."""

    submitting: requests.Session
    looking: requests.Session


class Sessions:
    """The sessions of each thread of each process."""

    def __init__(
        self, headers: Mapping[str, str], trust: str | None = None, egress_proxy: ProxyAddress | None = None
    ) -> None:
        """`trust`: a file of certificates instead of the public ones."""
        self._headers = headers
        self._trust = trust
        self._egress_proxy = egress_proxy
        self._local = threading.local()

    def here(self) -> Pair:
        """Return the sessions of this thread."""
        if getattr(self._local, "process", None) != os.getpid():
            self._local.pair = Pair(
                submitting=self._session(
                    FreshAdapter(max_retries=NEVER_AGAIN, egress_proxy=self._egress_proxy),
                    {"Content-Type": "application/json", "Connection": "close"},
                ),
                looking=self._session(DeadlineAdapter(max_retries=NEVER_AGAIN, egress_proxy=self._egress_proxy), {}),
            )
            self._local.process = os.getpid()
        pair: Pair = self._local.pair
        return pair

    def close(self) -> None:
        """Close the connections of this thread."""
        for session in self.here():
            session.close()

    def _session(self, adapter: DeadlineAdapter, more: Mapping[str, str]) -> requests.Session:
        session = _StraightSession()
        session.trust_env = False
        session.verify = self._trust or True
        session.headers = CallHeaders({**self._headers, **more})  # type: ignore[assignment]  # none of them is bytes
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        return session
