"""Connections of urllib3 under their thread's deadline; over TLS also through the egress proxy."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from swapline_workers.adapters.http.connections.tunnel import SETTING, ProxyFailed, open_tunnel
from swapline_workers.adapters.http.connections.watchdog import (
    Stage,
    present,
    reached,
    shorter,
    watch,
    what_is_left,
)
from swapline_workers.adapters.http.replies.unusual_reply import FinalReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_workers.proxy_address import ProxyAddress


Address: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


class _Watched(HTTPConnection):
    """Shared by both kinds of connection."""

    response_class = FinalReply

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open without unread bytes, even inside TLS."""
        return super().is_connected and not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())

    def addresses(self) -> Sequence[Address]:
        """Return the addresses to try, in order. Raises socket.gaierror."""
        return socket.getaddrinfo(self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM)

    def connect(self) -> None:
        reached(Stage.CONNECTING)
        super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request; a reused connection comes under the present deadline."""
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
