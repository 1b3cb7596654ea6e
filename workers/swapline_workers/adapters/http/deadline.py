"""A total deadline for a call made with `requests`, whose timeouts a dripping reply never meets.

    with limit(15) as deadline:
        response = session.post(...)     # a session with a DeadlineAdapter mounted
        deadline.check()                 # raises DeadlineExceeded

**Check `deadline` after the call**: `http.client` returns a cut header as a good 200, and a body without Content-Length
looks whole when cut. Connecting counts; only getaddrinfo cannot be interrupted.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from swapline_workers.adapters.http.calls import Call, PlainResponse
from swapline_workers.adapters.http.direct_pool import StraightPool
from swapline_workers.adapters.http.exchange import PlainReply
from swapline_workers.adapters.http.tunnel import SETTING, ProxyFailed, open_tunnel
from swapline_workers.adapters.http.unusual_reply import FinalReply
from swapline_workers.adapters.http.watchdog import (
    Deadline,
    DeadlineExceeded,
    Stage,
    limit,
    present,
    reached,
    shorter,
    watch,
    what_is_left,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import requests

    from swapline_workers.proxy_address import ProxyAddress

__all__ = [
    "Address",
    "Deadline",
    "DeadlineAdapter",
    "DeadlineExceeded",
    "DeadlineHTTPConnection",
    "DeadlineHTTPPool",
    "DeadlineHTTPSConnection",
    "DeadlineHTTPSPool",
    "Stage",
    "limit",
]

Address: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


class _Watched(HTTPConnection):
    """Shared by both kinds of connection."""

    response_class = FinalReply

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open without unread bytes, even inside TLS."""
        return super().is_connected and not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())

    def addresses(self) -> Sequence[Address]:
        """Return the addresses to try, in order; overridden to choose or refuse.

        Raises socket.gaierror.
        """
        return socket.getaddrinfo(self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM)

    def connect(self) -> None:
        reached(Stage.CONNECTING)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request; here a reused connection comes under the present deadline."""
        if self.sock is not None:
            watch(self.sock)
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        """Send bytes, and note that they were sent.

        Sending may take until the deadline: with urllib3's connect timeout, a slow line would leave a paid call's
        outcome unknown.
        """
        if self.sock is None:
            self.connect()
        if (deadline := present()) is not None:
            self.sock.settimeout(what_is_left(deadline))
        reached(Stage.SENDING)
        super().send(data)

    def _new_conn(self) -> socket.socket:
        """Each address has the connect timeout or the rest of the deadline."""
        try:
            return self._connected()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from error
        except (OSError, UnicodeError) as error:  # also a host name that is invalid
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def _connected(self) -> socket.socket:
        return self._first_that_answers(self.addresses())

    def _first_that_answers(self, addresses: Sequence[Address]) -> socket.socket:
        failure = OSError("the name has no address")
        for address in addresses:
            try:
                return self._open(address)
            except OSError as error:
                failure = error
        raise failure

    def _open(self, address: Address) -> socket.socket:
        family, kind, protocol, _, where = address
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(shorter(self.timeout))
            if self.source_address:
                sock.bind(self.source_address)
            watch(sock)
            sock.connect(where)
        except BaseException:
            sock.close()
            raise
        sys.audit("http.client.connect", self, self.host, self.port)  # as urllib3 does it
        return sock


class DeadlineHTTPConnection(_Watched):
    """A connection under its thread's deadline."""


class DeadlineHTTPSConnection(_Watched, HTTPSConnection):
    """The same over TLS, or through the egress proxy."""

    def __init__(self, *args: Any, egress_proxy: ProxyAddress | None = None, **more: Any) -> None:
        """Take `egress_proxy` from the pool's options."""
        super().__init__(*args, **more)
        self._egress_proxy = egress_proxy

    def connect(self) -> None:
        """Open the connection. Raises ConnectionResetError for a reset before the handshake."""
        super().connect()
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.version() is None:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def check_target(self) -> None:
        """Do nothing; overridden to refuse targets whose name a proxy resolves."""

    def _connected(self) -> socket.socket:
        if (proxy := self._egress_proxy) is None:
            return super()._connected()
        self.check_target()
        sock = self._proxy_socket(proxy)
        try:
            deadline = present()
            sock.settimeout(self.timeout if deadline is None else what_is_left(deadline))  # for each address
            open_tunnel(sock, proxy, self.host, self.port)
            sock.settimeout(shorter(self.timeout))
        except BaseException:
            sock.close()
            raise
        return sock

    def _proxy_socket(self, proxy: ProxyAddress) -> socket.socket:
        try:
            family = allowed_gai_family()
            return self._first_that_answers(socket.getaddrinfo(proxy.host, proxy.port, family, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            sentence = f"the proxy {proxy} could not be reached ({error}); check {SETTING}"
            raise ProxyFailed(sentence) from error


class DeadlineHTTPPool(StraightPool):
    """A pool of such connections."""

    ConnectionCls = DeadlineHTTPConnection


class DeadlineHTTPSPool(StraightPool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = DeadlineHTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """The transport of calls inside `limit`. It never repeats a call.

    The last pool is cached: finding it took as long as sending.
    """

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": DeadlineHTTPPool, "https": DeadlineHTTPSPool}
    _last: tuple[str | None, Any, Any] = (None, None, None)

    def __init__(self, *args: Any, egress_proxy: ProxyAddress | None = None, **more: Any) -> None:
        """Use `egress_proxy` for https; http goes straight."""
        self._egress_proxy = egress_proxy
        super().__init__(*args, **more)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make `requests` use these pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": self.pools["http"],
            "https": partial(self.pools["https"], egress_proxy=self._egress_proxy),
        }

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """Return the pool of an origin."""
        origin = request.origin if isinstance(request, Call) and not proxies and cert is None else None
        known, trusted, pool = self._last
        if origin is None or origin != known or verify != trusted:
            pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            super().cert_verify(pool, request.url, verify, cert)  # type: ignore[no-untyped-call]  # types-requests has none
            self._last = origin, verify, pool
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Set a pool's certificates, unless it is the last one."""
        if conn is not self._last[2]:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # as above

    def request_url(self, request: Any, proxies: Any) -> Any:
        """Return the target of the request line."""
        straight = request.target if isinstance(request, Call) and not proxies else None
        return straight or super().request_url(request, proxies)

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Return a reply in the shape of `requests`, without cookies."""
        if not isinstance(resp, PlainReply):
            return super().build_response(req, resp)
        return PlainResponse(req, resp, self)

    def close(self) -> None:
        """Close the connections, also of replies in use."""
        _, _, pool = self._last
        self._last = (None, None, None)
        if pool is not None:
            pool.close()
        super().close()
