"""The two `requests` sessions of a thread: one submits, one looks.

**Submitting never reuses a connection.** A server may close an idle connection at the very moment at which we send on
it: the reply is lost, and whether a paid call ran is unknown. A probe of the socket makes that rare, not impossible:
with a server that closes after 5 s and a submission every few seconds, a few of a thousand jobs would be held for a
person. A fresh connection cannot be stale. It costs two or three round trips beside a body of megabytes that takes
more of them anyway, and it makes every failure before the first byte provably free of charge.

**Looking keeps its connections alive.** A look that is lost to a stale connection is no news and costs nothing.

Neither follows redirects, reads proxies, .netrc or certificates from the environment, keeps cookies, or tries again.
"""

from __future__ import annotations

import os
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import requests
from urllib3.util import Retry

from swapline_workers.adapters.http.calls import CallHeaders
from swapline_workers.adapters.http.deadline import (
    DeadlineAdapter,
    DeadlineHTTPConnection,
    DeadlineHTTPPool,
    DeadlineHTTPSConnection,
    DeadlineHTTPSPool,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.connectionpool import HTTPConnectionPool

    from swapline_workers.proxy_address import ProxyAddress

NEVER_AGAIN = Retry(0, read=False)
"""No second try of any kind; `read=False` lets errors after sending through as they are."""


class _FreshHTTPConnection(DeadlineHTTPConnection):
    """Never fit for a second use: its pool closes it and opens it anew."""

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
    """A transport that opens a connection for every call."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _FreshHTTPPool, "https": _FreshHTTPSPool}


class _StraightSession(requests.Session):
    """A session that knows no redirects; `allow_redirects=False` would still read the whole body of one."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Give no target."""


class Pair(NamedTuple):
    """The sessions of one thread."""

    submitting: requests.Session
    looking: requests.Session


class Sessions:
    """Gives each thread of each process sessions of its own: connections must not be shared, least of all by a fork."""

    def __init__(
        self, headers: Mapping[str, str], trust: str | None = None, egress_proxy: ProxyAddress | None = None
    ) -> None:
        """`headers` go with every call; `trust` is a file of certificates instead of the public ones."""
        self._headers = headers
        self._trust = trust
        self._egress_proxy = egress_proxy
        self._local = threading.local()

    def here(self) -> Pair:
        """Give the sessions of this thread."""
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
