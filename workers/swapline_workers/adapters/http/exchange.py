"""One request and its reply on a connection that stands: two system calls, and no library in between.

`urllib3` over `http.client` over `email.parser` takes 0.2 ms of CPU for a call that says forty bytes, and a `poll`
before each `recv`. Here the request is one piece of bytes, given to the kernel at once with its body; the reply's head
is read with what came first. A reply that is unusual in any way goes to the library, with the bytes that were read of
it (`unusual_reply.py`): chunks, packed bodies, no length, 1xx, garbage. So what is rare is slow and right, and errors
are the library's.

No call to the kernel has a timeout of its own under a deadline: the watchdog shuts the socket down.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Any

from requests.exceptions import InvalidHeader
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import IncompleteRead, ProtocolError

from swapline_workers.adapters.http.unusual_reply import read_unusual
from swapline_workers.core.reply.head import HEAD_LIMIT, Head, can_be_sent, plain_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool

BLOCK = 65_536
"""Bytes of a block where nobody says how many: four TLS records."""

_ANSWERED_EARLY = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})
"""The other side stopped reading; what it has said may still be there to read. The last one is how macOS says it."""


class SentHeaders(CaseInsensitiveDict[str]):
    """Headers that go with many calls, and the bytes that they are on the wire."""

    _lines: bytes | None = None

    def __setitem__(self, name: str, value: str) -> None:
        """Set a header."""
        self._lines = None
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        """Leave a header out."""
        self._lines = None
        super().__delitem__(name)

    @property
    def lines(self) -> bytes:
        """The lines of a request. Raises InvalidHeader."""
        if self._lines is None:
            self._lines = lines_of(self)
        return self._lines


def lines_of(headers: Mapping[str, str | bytes]) -> bytes:
    """Give the lines of a request's headers. Raises InvalidHeader for what would be more than a header."""
    try:
        lines = b"".join(b"%b: %b\r\n" % (_latin(name), _latin(value)) for name, value in headers.items())
    except UnicodeEncodeError as error:
        raise InvalidHeader("a header has letters that no header can carry") from error
    if not can_be_sent(lines, len(headers)):
        raise InvalidHeader("a header has characters that no header can carry")
    return lines


def _latin(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def tell(sock: socket.socket, head: bytes, body: bytes) -> None:
    """Send a request. Raises OSError, but not where the other side has stopped reading: it may have answered."""
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.sendall(head + body)
            return
        sent = sock.sendmsg([head, body])
        if sent < len(head) + len(body):  # a signal came in between
            sock.sendall((head + body)[sent:])
    except OSError as error:
        if error.errno not in _ANSWERED_EARLY:
            raise


def receive_reply(connection: HTTPConnection, pool: HTTPConnectionPool, method: str) -> Any:
    """Wait for the head of the reply; give the reply: a PlainReply, or a response of `urllib3`.

    Raises what sockets and `http.client` raise.
    """
    said = connection.sock.recv(HEAD_LIMIT)
    head = plain_head(said)
    if head is None or method == "HEAD":
        return read_unusual(said, connection, pool, method)
    return PlainReply(head, said[head.size :], connection, pool)


class PlainReply:
    """A reply whose body has a length and is not packed, as far as `requests` and this package use one."""

    version = 11

    def __init__(self, head: Head, said: bytes, connection: HTTPConnection, pool: HTTPConnectionPool) -> None:
        """`said` is what came with the head."""
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.length = head.length
        """Bytes of the body."""
        self.left = head.length
        """Bytes of it that nobody has read."""
        self._said = said
        self._keeps = head.keeps and len(said) <= head.length  # more than that is nobody's: who speaks so is not kept
        self._pool = pool
        self._sock = connection.sock
        self._connection: HTTPConnection | None = connection
        self._taken(0)

    def read1(self, amount: int = BLOCK, decode_content: bool | None = None) -> bytes:  # noqa: ARG002 -- the shape that urllib3 gave it; nothing here is encoded
        """Give what comes next, so many bytes at most; nothing at the end. Raises ProtocolError."""
        if not self.left:
            return b""
        if self._said:
            block, self._said = self._said[: min(amount, self.left)], self._said[amount:]
        else:
            block = self._receive(min(amount, self.left))
        self._taken(len(block))
        return block

    def read(self, amount: int | None = None, decode_content: bool | None = None) -> bytes:  # noqa: ARG002 -- as above
        """Give so many bytes, or all that are left. Raises ProtocolError."""
        data = bytearray(self.left if amount is None else min(amount, self.left))
        self.fill(memoryview(data))
        return bytes(data)

    def stream(self, amount: int = BLOCK, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: ARG002 -- as above
        """Give block after block. Raises ProtocolError."""
        while block := self.read1(amount):
            yield block

    def fill(self, view: memoryview) -> None:
        """Read as many bytes as the view has, which must not be more than are left. Raises ProtocolError."""
        first = min(len(self._said), len(view))
        view[:first] = self._said[:first]
        self._said = self._said[first:]
        self._taken(first)
        at = first
        while at < len(view):
            count = self._receive_into(view[at:])
            self._taken(count)
            at += count

    def close(self) -> None:
        """Leave what is left unread, and with it the connection."""
        if self._connection is not None:
            self._let_go(keeps=False)

    def release_conn(self) -> None:
        """Do nothing: the connection is given back when the reply has ended, or is closed."""

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
