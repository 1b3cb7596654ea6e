"""One request and its reply on an open connection: two system calls, without a library. See decision 0041.

An unusual reply goes to the library (`unusual_reply.py`).
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Any

from requests.exceptions import InvalidHeader
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import IncompleteRead, ProtocolError

from swapline_workers.adapters.http.replies.unusual_reply import read_unusual
from swapline_workers.core.reply.head import HEAD_LIMIT, Head, can_be_sent, plain_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool

BLOCK = 65_536
"""Bytes: four TLS records."""

_ANSWERED_EARLY = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})
"""The other side stopped reading, but may have answered."""


class SentHeaders(CaseInsensitiveDict[str]):
    """Headers of many calls, and their bytes on the wire."""

    _lines: bytes | None = None

    def __setitem__(self, name: str, value: str) -> None:
        self._lines = None
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        self._lines = None
        super().__delitem__(name)

    @property
    def lines(self) -> bytes:
        """The lines of a request. Raises InvalidHeader."""
        if self._lines is None:
            self._lines = lines_of(self)
        return self._lines


def lines_of(headers: Mapping[str, str | bytes]) -> bytes:
    """Return the lines of a request's headers. Raises InvalidHeader for an injection."""
    try:
        lines = b"".join(b"%b: %b\r\n" % (_latin(name), _latin(value)) for name, value in headers.items())
    except UnicodeEncodeError as error:
        raise InvalidHeader("a header has letters that no header can carry") from error
    if not can_be_sent(lines, len(headers)):
        raise InvalidHeader("a header has characters that no header can carry")
    return lines


def _latin(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def send(sock: socket.socket, head: bytes, body: bytes) -> None:
    """Send a request. Raises OSError, unless the other side may have answered."""
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.sendall(head + body)
            return
        sent = sock.sendmsg([head, body])
        if sent < len(head) + len(body):  # interrupted by a signal
            sock.sendall((head + body)[sent:])
    except OSError as error:
        if error.errno not in _ANSWERED_EARLY:
            raise


def receive_reply(connection: HTTPConnection, pool: HTTPConnectionPool) -> Any:
    """Wait for the head of a POST's reply; return a PlainReply, or urllib3's. Raises as sockets and `http.client`."""
    received = connection.sock.recv(HEAD_LIMIT)
    head = plain_head(received)
    if head is None:
        return read_unusual(received, connection, pool)
    return PlainReply(head, received[head.size :], connection, pool)


class PlainReply:
    """An uncompressed reply of known length, in the shape of urllib3's."""

    version = 11

    def __init__(self, head: Head, received: bytes, connection: HTTPConnection, pool: HTTPConnectionPool) -> None:
        """`received` came with the head."""
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.length = head.length
        self.left = head.length
        """Unread bytes."""
        self._received = received
        self._keeps = head.keeps and len(received) <= head.length  # not after surplus bytes
        self._pool = pool
        self._sock = connection.sock
        self._connection: HTTPConnection | None = connection
        self._taken(0)

    def read1(self, amount: int = BLOCK, decode_content: bool | None = None) -> bytes:  # noqa: ARG002 -- the shape that urllib3 gave it; nothing here is encoded
        """Return the next bytes, none at the end. Raises ProtocolError."""
        if not self.left:
            return b""
        if self._received:
            block, self._received = self._received[: min(amount, self.left)], self._received[amount:]
        else:
            block = self._receive(min(amount, self.left))
        self._taken(len(block))
        return block

    def read(self, amount: int | None = None, decode_content: bool | None = None) -> bytes:  # noqa: ARG002 -- as above
        """Return `amount` bytes, or all that are left. Raises ProtocolError."""
        data = bytearray(self.left if amount is None else min(amount, self.left))
        self.fill(memoryview(data))
        return bytes(data)

    def stream(self, amount: int = BLOCK, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: ARG002 -- as above
        """Yield block after block. Raises ProtocolError."""
        while block := self.read1(amount):
            yield block

    def fill(self, view: memoryview) -> None:
        """Fill the view, not longer than what is left. Raises ProtocolError."""
        first = min(len(self._received), len(view))
        view[:first] = self._received[:first]
        self._received = self._received[first:]
        self._taken(first)
        at = first
        while at < len(view):
            count = self._receive_into(view[at:])
            self._taken(count)
            at += count

    def close(self) -> None:
        """Leave the rest unread, and close the connection."""
        if self._connection is not None:
            self._let_go(keeps=False)

    def release_conn(self) -> None:
        """Do nothing: the reply's end or `close` does it."""

    def _taken(self, count: int) -> None:
        self.left -= count
        if not self.left and self._connection is not None:
            self._let_go(keeps=self._keeps)

    def _let_go(self, *, keeps: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if not keeps:
                connection.close()
            self._pool._put_conn(connection)  # noqa: SLF001 -- what urllib3's own response does

    def _receive(self, amount: int) -> bytes:
        """Receive up to `amount` bytes of the body. Raises where it breaks off."""
        try:
            block = self._sock.recv(amount)
        except OSError as error:
            raise self._broken(error) from error
        if not block:
            raise self._broken(IncompleteRead(self.length - self.left, self.left))
        return block

    def _receive_into(self, view: memoryview) -> int:
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                count = self._sock.recv_into(view)
            else:
                count = self._sock.recv_into(view, 0, socket.MSG_WAITALL)
        except OSError as error:
            raise self._broken(error) from error
        if not count:
            raise self._broken(IncompleteRead(self.length - self.left, self.left))
        return count

    def _broken(self, error: Exception) -> ProtocolError:
        self.close()
        return ProtocolError("Connection broken", error)
