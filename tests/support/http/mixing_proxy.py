"""An HTTP proxy on this host that passes everything on, and says more than that, or to the wrong one."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from support.http.raw_server import Caller, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = re.compile(rb"POST /v\d/status/")
_CLOSES = re.compile(rb"\r\nConnection: [^\r]*", re.IGNORECASE)

Way: TypeAlias = "Callable[[Caller, bytes, bytes], None]"
"""How a reply is passed on: to whom, to which request, and the reply."""


def mixing_proxy(url: str, way: Way) -> RawServer:
    """Stand in front of the server at this URL. Connections are kept, whatever the server wishes."""
    port = urlsplit(url).port or 80

    def script(caller: Caller) -> None:
        while request := caller.read_request():
            way(caller, request, _asked(port, request))

    return RawServer(script)


def _asked(port: int, request: bytes) -> bytes:
    """Ask the server on a connection of its own; give the whole reply."""
    head, _, body = request.partition(b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(_CLOSES.sub(b"", head) + b"\r\nConnection: close\r\n\r\n" + body)
        reply = b""
        while more := sock.recv(1 << 20):
            reply += more
    head, _, body = reply.partition(b"\r\n\r\n")
    return _CLOSES.sub(b"", head).replace(b"HTTP/1.0", b"HTTP/1.1", 1) + b"\r\n\r\n" + body


def interim(caller: Caller, _request: bytes, reply: bytes) -> None:
    """Say 102 and 103 before each reply, each in a packet of its own."""
    for number in (b"102 Processing", b"103 Early Hints\r\nLink: </a.css>"):
        caller.send(b"HTTP/1.1 " + number + b"\r\n\r\n")
        caller.hold(0.01)
    caller.send(reply)


@dataclass
class _Offer:
    mine: bytes
    other: bytes | None = None


class Swapping:
    """Swaps the replies of two simultaneous status calls, `times` times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self._offer: _Offer | None = None
        self._traded = threading.Condition()

    def __call__(self, caller: Caller, request: bytes, reply: bytes) -> None:
        caller.send(self._trade(reply) if STATUS.match(request) else reply)

    def _trade(self, reply: bytes) -> bytes:
        with self._traded:
            if self.left == 0:
                return reply
            if (partner := self._offer) is not None:
                self._offer, partner.other = None, reply
                self.left -= 1
                self._traded.notify_all()
                return partner.mine
            offer = self._offer = _Offer(reply)
            if not self._traded.wait_for(lambda: offer.other is not None, 0.5):
                self._offer = None
            return offer.other or reply


class Repeating:
    """Says behind each status reply the one before it once more, which was another caller's."""

    def __init__(self) -> None:
        self._last = b""
        self._lock = threading.Lock()

    def __call__(self, caller: Caller, request: bytes, reply: bytes) -> None:
        if not STATUS.match(request):
            caller.send(reply)
            return
        with self._lock:
            last, self._last = self._last, reply
        caller.send(reply + last)
