"""Messages between a producer and its child."""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_HEAD = struct.Struct(">II")


def send(sock: socket.socket, facts: dict[str, Any], data: bytes = b"") -> None:
    """Send one message. Raises OSError."""
    text = json.dumps(facts).encode()
    sock.sendall(_HEAD.pack(len(text), len(data)) + text)
    sock.sendall(data)


def receive(sock: socket.socket, seconds: float) -> tuple[dict[str, Any], bytes]:
    """Wait for one message. Raises TimeoutError, EOFError."""
    give_up_at = time.monotonic() + seconds
    text_size, data_size = _HEAD.unpack(_exactly(sock, _HEAD.size, give_up_at))
    facts: dict[str, Any] = json.loads(_exactly(sock, text_size, give_up_at))
    return facts, bytes(_exactly(sock, data_size, give_up_at))


def _exactly(sock: socket.socket, size: int, give_up_at: float) -> bytearray:
    found = bytearray(size)
    view = memoryview(found)
    while view:
        left = give_up_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        number = sock.recv_into(view)
        if number == 0:
            raise EOFError
        view = view[number:]
    return found
