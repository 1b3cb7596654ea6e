"""Replies for the standard library to read.

`http.client` takes interim replies but 100 for the real one, which would answer the next request: another customer's
picture. So they are skipped (RFC 9110, 15.2), and a connection is reused only where the reply's end is beyond doubt.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPHeaderDict, HTTPResponse

if TYPE_CHECKING:
    from email.message import Message

    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool

INTERIM_LIMIT = 100
"""Interim replies: more than one a second during a submission."""
INTERIM_BYTES = 65_536
"""Of interim headers: as many as `http.client` reads of one line."""

_LAST_LINES = frozenset({b"\r\n", b"\n", b""})
_FOLD = re.compile(r"\r?\n[ \t]+")
"""A header's continuation: a blank (RFC 9112, 5.2)."""


class SwitchedProtocols(http.client.HTTPException):
    """101: the following bytes are not HTTP."""


class TooManyInterimReplies(http.client.HTTPException):
    """The final reply did not come within INTERIM_LIMIT."""


class FinalReply(http.client.HTTPResponse):
    """The first reply that is not interim."""

    def __init__(self, sock: Any, *args: Any, received: bytes = b"", **more: Any) -> None:
        """Continue from `received`, already read of the socket."""
        self._reader = _Reader(received, sock)
        super().__init__(self._reader, *args, **more)  # type: ignore[arg-type]  # all that it asks of a socket

    def begin(self) -> None:
        """Read status line and headers. Raises what `http.client` raises, and the errors above."""
        super().begin()
        if not _has_one_end(self.msg):
            self._reader.is_last = True

    def _read_status(self) -> tuple[str, int, str]:
        left = INTERIM_BYTES
        for _ in range(INTERIM_LIMIT + 1):
            version, status, reason = super()._read_status()  # type: ignore[misc]  # missing in typeshed
            if status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise SwitchedProtocols
            if status >= HTTPStatus.OK:
                return version, status, reason
            left = self._pass_over(left)
        raise TooManyInterimReplies

    def _pass_over(self, left: int) -> int:
        while left > 0:
            line = self.fp.readline(left)
            if line in _LAST_LINES:
                return left
            left -= len(line)
        raise TooManyInterimReplies


def read_unusual(received: bytes, connection: HTTPConnection, pool: HTTPConnectionPool) -> HTTPResponse:
    """Have the library read a reply to a POST that began with `received`. Raises what it raises."""
    source = FinalReply(connection.sock, method="POST", received=received)
    try:
        source.begin()
        reply = HTTPResponse(
            body=source,
            headers=HTTPHeaderDict((name, _FOLD.sub(" ", value)) for name, value in source.msg.items()),
            status=source.status,
            version=source.version,
            reason=source.reason,
            preload_content=False,
            decode_content=False,
            original_response=source,
            pool=pool,
            connection=connection,
            request_method="POST",
        )
    except BaseException:
        source.close()
        raise
    if source.will_close:
        connection.close()  # the reply goes on: its reader keeps the socket open
    return reply


def _has_one_end(headers: Message) -> bool:
    """Whether all readers agree on the reply's end (RFC 9112, 6.3)."""
    if headers.defects:
        return False
    lengths, encodings = headers.get_all("Content-Length", []), headers.get_all("Transfer-Encoding", [])
    if encodings:
        return not lengths and [encoding.strip().lower() for encoding in encodings] == ["chunked"]
    return not lengths or (len(lengths) == 1 and re.fullmatch(r"[0-9]+", lengths[0].strip()) is not None)


class _Reader(io.BufferedReader):
    """The received bytes, then the socket's.

    At the reply's end the socket is shut down where there is more, or the reply `is_last`.
    """

    is_last = False

    def __init__(self, received: bytes, sock: socket.socket) -> None:
        self._bytes = _Bytes(received, sock.makefile("rb", buffering=0))
        self._sock = sock
        super().__init__(self._bytes)

    def makefile(self, *_: object) -> io.BufferedReader:
        return self

    def close(self) -> None:
        if not self.closed:
            self._bytes.stop()
            if self.is_last or self.peek(1):
                with suppress(OSError):  # the other side was faster
                    self._sock.shutdown(socket.SHUT_RDWR)
        super().close()


class _Bytes(io.RawIOBase):
    """These bytes, then those of a socket until `stop`."""

    def __init__(self, received: bytes, rest: io.RawIOBase | Any) -> None:
        self._received = received
        self._rest = rest
        self._stopped = False

    def readable(self) -> bool:
        return True

    def stop(self) -> None:
        self._stopped = True

    def readinto(self, buffer: Any) -> int | None:
        if not self._received:
            count: int | None = 0 if self._stopped else self._rest.readinto(buffer)
            return count
        count = min(len(buffer), len(self._received))
        buffer[:count], self._received = self._received[:count], self._received[count:]
        return count

    def close(self) -> None:
        self._rest.close()
        super().close()
