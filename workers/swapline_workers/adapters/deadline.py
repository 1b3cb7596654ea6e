"""A total deadline for a call made with `requests`, and the knowledge of how far the call came.

The timeouts of `requests` are for one connect and one recv: a reply that drips a byte a second never runs into them.

    with limit(15) as deadline:
        response = session.post(...)     # a session with a DeadlineAdapter mounted
        deadline.check()                 # raises DeadlineExceeded

- **Ask `deadline.fired` or `deadline.check()` after the call.** A header that is cut off comes out of `http.client` as
  a good reply with status 200, and a body without Content-Length looks whole when it is cut.
- Connecting counts: every address that is tried gets what is left of the deadline at most, and the TLS handshake is
  watched. Only getaddrinfo is not: nothing can interrupt it, and the limits of the system's resolver hold there
  (5 s and 2 tries for each name server by default). The deadline takes effect as soon as it returns.
- A session that is used under a deadline belongs to one thread; one call for each `limit`. Proxies are not watched.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeAlias

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection, port_by_scheme
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as PoolTimeout
from urllib3.util import Timeout
from urllib3.util.connection import allowed_gai_family
from urllib3.util.ssl_match_hostname import CertificateError

from swapline_workers.adapters.calls import Call, PlainResponse
from swapline_workers.adapters.exchange import PlainReply, SentHeaders, hear, lines_of, tell
from swapline_workers.adapters.watchdog import Deadline, DeadlineExceeded, Stage, limit, present

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from urllib3.util import Retry

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
"""One answer of getaddrinfo: family, kind, protocol, canonical name, socket address."""


class _Watched(HTTPConnection):
    """What both kinds of connection do under a deadline."""

    def addresses(self) -> Sequence[Address]:
        """Give the addresses to try, in order. Override this to choose or refuse addresses.

        Raises socket.gaierror.
        """
        return socket.getaddrinfo(self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM)

    def connect(self) -> None:
        """Open the connection, TLS handshake included."""
        _reached(Stage.CONNECTING)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request; a connection that was kept alive comes under the present deadline here."""
        if self.sock is not None:
            _watch(self.sock)
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        """Give bytes to the socket, and note that it was done.

        Sending has all that is left of the deadline. Without this, `urllib3` would give megabytes no longer than the
        connect timeout, and a slow line would turn a paid call into one whose outcome is unknown.
        """
        if self.sock is None:
            self.connect()
        if (deadline := present()) is not None:
            self.sock.settimeout(_what_is_left(deadline))
        _reached(Stage.SENDING)
        super().send(data)

    def _new_conn(self) -> socket.socket:
        """Try the addresses one after the other, each for the connect timeout or what is left of the deadline."""
        try:
            return self._first_that_answers(self.addresses())
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from error
        except (OSError, UnicodeError) as error:  # the second: a host name that cannot be one
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

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
            sock.settimeout(_shorter(self.timeout))
            if self.source_address:
                sock.bind(self.source_address)
            _watch(sock)
            sock.connect(where)
        except BaseException:
            sock.close()
            raise
        sys.audit("http.client.connect", self, self.host, self.port)  # as urllib3 does it
        return sock


def _watch(sock: socket.socket) -> None:
    if (deadline := present()) is not None:
        deadline.watch(sock)


def _reached(stage: Stage) -> None:
    if (deadline := present()) is not None:
        deadline.reached(stage)


def _shorter(timeout: float | None) -> float | None:
    """Give the timeout, or what is left of the deadline where that is less."""
    if (deadline := present()) is None:
        return timeout
    left = _what_is_left(deadline)
    return left if timeout is None else min(timeout, left)


def _what_is_left(deadline: Deadline) -> float:
    left = deadline.remaining
    if left <= 0:
        raise DeadlineExceeded("the deadline passed before all was sent")
    return left


class DeadlineHTTPConnection(_Watched):
    """A connection that stands under the deadline of the thread that uses it."""


class DeadlineHTTPSConnection(_Watched, HTTPSConnection):
    """The same over TLS; the handshake counts."""


_TARGET = re.compile(r"/[!-~]*")
"""What may stand in a request line."""


class _Straight(HTTPConnectionPool):
    """A pool whose posts go straight to the socket: see `exchange.py`. Everything else goes the library's way."""

    _host_line: bytes | None = None

    def urlopen(self, method: str, url: str, *args: Any, **told: Any) -> Any:
        """Send a request, once, and give the reply with its body unread."""
        body, timeout = told.get("body"), told.get("timeout")
        bodily = body is None or isinstance(body, bytes)
        if args or method != "POST" or not bodily or told.get("chunked") or not isinstance(timeout, Timeout):
            return super().urlopen(method, url, *args, **told)
        head = self._head(url, told["headers"])
        connection = self._get_conn()
        try:
            return self._exchanged(connection, head, body or b"", timeout)
        except BaseException as error:
            connection.close()
            self._put_conn(connection)
            if isinstance(error, _OF_THE_WIRE):
                self._give_up(error, method, url, told["retries"])
            raise

    def _exchanged(self, connection: Any, head: bytes, body: bytes, timeout: Timeout) -> Any:
        if connection.sock is None:
            connection.timeout = timeout.connect_timeout
            self._validate_conn(connection)  # connects, over TLS
            if connection.sock is None:
                connection.connect()
        else:
            _watch(connection.sock)
        deadline = present()
        seconds = timeout.read_timeout if deadline is None else None  # else the watchdog ends what takes too long
        if connection.sock.gettimeout() != seconds:
            connection.sock.settimeout(seconds)
        if deadline is not None:
            _what_is_left(deadline)
            deadline.reached(Stage.SENDING)
        tell(connection.sock, head, body)
        return hear(connection, self, "POST")

    def _head(self, url: str, headers: Mapping[str, str]) -> bytes:
        """Give a request without its body. Raises InvalidURL and InvalidHeader for what would be more than one."""
        if not _TARGET.fullmatch(url):
            raise requests.exceptions.InvalidURL("its path has characters that no request can carry")
        if self._host_line is None:
            host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host.rstrip(".")
            port = "" if self.port in {None, port_by_scheme[self.scheme]} else f":{self.port}"
            self._host_line = f" HTTP/1.1\r\nHost: {host}{port}\r\n".encode("ascii")
        lines = headers.lines if isinstance(headers, SentHeaders) else lines_of(headers)
        return b"POST %b%b%b\r\n" % (url.encode("ascii"), self._host_line, lines)

    def _give_up(self, error: Exception, method: str, url: str, retries: Retry) -> NoReturn:
        """Raise the error as urllib3 names it, whatever is left of its tries: a call is made once."""
        named = error
        if isinstance(error, (ssl.SSLError, CertificateError)):
            named = SSLError(error)
        elif isinstance(error, TimeoutError):
            named = ReadTimeoutError(self, url, "Read timed out.")
        elif isinstance(error, (OSError, http.client.HTTPException)):
            named = ProtocolError("Connection aborted.", error)
        if named is not error:
            named.__cause__ = error
        retries.increment(method, url, error=named, _pool=self, _stacktrace=error.__traceback__)
        raise named


_OF_THE_WIRE = (OSError, http.client.HTTPException, PoolTimeout, ProtocolError, SSLError, CertificateError)
"""Errors after which urllib3 would count a try: those of a connection, and not those of who asks."""


class DeadlineHTTPPool(_Straight):
    """A pool of such connections."""

    ConnectionCls = DeadlineHTTPConnection


class DeadlineHTTPSPool(_Straight, HTTPSConnectionPool):
    """A pool of such connections over TLS."""

    ConnectionCls = DeadlineHTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """The transport to mount in a session whose calls are made inside `limit`. It never tries a call twice.

    A subclass that brings connections of its own names their pools in `pools`. The pool of the last call is at hand for
    the next one to the same origin: finding it again took as long as sending.
    """

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": DeadlineHTTPPool, "https": DeadlineHTTPSPool}
    _last: tuple[str | None, Any, Any] = (None, None, None)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager of `requests` use these pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(self.pools)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """Give the pool of an origin."""
        origin = request.origin if isinstance(request, Call) and not proxies and cert is None else None
        known, trusted, pool = self._last
        if origin is None or origin != known or verify != trusted:
            pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            super().cert_verify(pool, request.url, verify, cert)  # type: ignore[no-untyped-call]  # types-requests has none
            self._last = origin, verify, pool
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Tell a pool whom to trust. The last one knows."""
        if conn is not self._last[2]:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # as above

    def request_url(self, request: Any, proxies: Any) -> Any:
        """Give what stands in the request line."""
        straight = request.target if isinstance(request, Call) and not proxies else None
        return straight or super().request_url(request, proxies)

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Give a plain reply as `requests` gives replies; its cookies are nobody's."""
        if not isinstance(resp, PlainReply):
            return super().build_response(req, resp)
        return PlainResponse(req, resp, self)

    def close(self) -> None:
        """Close the connections."""
        self._last = (None, None, None)
        super().close()
