"""Connections whose posts go straight to the socket: see `exchange.py`."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import TYPE_CHECKING, Any, NoReturn

import requests
from urllib3.connection import port_by_scheme
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError, SSLError
from urllib3.exceptions import TimeoutError as PoolTimeout
from urllib3.util import Timeout
from urllib3.util.ssl_match_hostname import CertificateError

from swapline_workers.adapters.http.connections.watchdog import Stage, present, watch, what_is_left
from swapline_workers.adapters.http.exchange import SentHeaders, lines_of, receive_reply, send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.util import Retry

_TARGET = re.compile(r"/[!-~]*")


class StraightPool(HTTPConnectionPool):
    """A pool whose posts go straight to the socket."""

    _host_line: bytes | None = None

    def urlopen(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        """Send a request, once; return the reply, its body unread."""
        body, timeout = options.get("body"), options.get("timeout")
        bodily = body is None or isinstance(body, bytes)
        if args or method != "POST" or not bodily or options.get("chunked") or not isinstance(timeout, Timeout):
            return super().urlopen(method, url, *args, **options)
        head = self._head(url, options["headers"])
        connection = self._get_conn()
        try:
            return self._exchanged(connection, head, body or b"", timeout)
        except BaseException as error:
            connection.close()
            self._put_conn(connection)
            if isinstance(error, _OF_THE_WIRE):
                self._give_up(error, method, url, options["retries"])
            raise

    def _exchanged(self, connection: Any, head: bytes, body: bytes, timeout: Timeout) -> Any:
        if connection.sock is None:
            connection.timeout = timeout.connect_timeout
            self._validate_conn(connection)  # connects, over TLS
            if connection.sock is None:
                connection.connect()
        else:
            watch(connection.sock)
        deadline = present()
        seconds = timeout.read_timeout if deadline is None else None  # else the watchdog limits the time
        if connection.sock.gettimeout() != seconds:
            connection.sock.settimeout(seconds)
        if deadline is not None:
            what_is_left(deadline)
            deadline.reached(Stage.SENDING)
        send(connection.sock, head, body)
        return receive_reply(connection, self)

    def _head(self, url: str, headers: Mapping[str, str]) -> bytes:
        """Raises InvalidURL and InvalidHeader for an injection."""
        if not _TARGET.fullmatch(url):
            raise requests.exceptions.InvalidURL("its path has characters that no request can carry")
        if self._host_line is None:
            host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host.rstrip(".")
            port = "" if self.port in {None, port_by_scheme[self.scheme]} else f":{self.port}"
            self._host_line = f" HTTP/1.1\r\nHost: {host}{port}\r\n".encode("ascii")
        lines = headers.lines if isinstance(headers, SentHeaders) else lines_of(headers)
        return b"POST %b%b%b\r\n" % (url.encode("ascii"), self._host_line, lines)

    def _give_up(self, error: Exception, method: str, url: str, retries: Retry) -> NoReturn:
        """Raise the error as urllib3 names it: a call is made once."""
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
"""Errors after which urllib3 would count a try."""
