"""An egress proxy that knows CONNECT, and misbehaves where a test wants it to."""

from __future__ import annotations

import select
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.http.raw_server import Caller, RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class ConnectProxy:
    """A proxy on a free port of loopback. It leads a tunnel to `upstream`, or to where it is asked to."""

    upstream: int | None = None
    established: bytes = ESTABLISHED
    """Sent when a tunnel stands."""
    refusal: bytes | None = None
    """Sent instead of making tunnels; the connection ends."""
    silent: bool = False
    requests: list[bytes] = field(default_factory=list)
    """Heads of all requests."""
    carried: bytearray = field(default_factory=bytearray)
    """All that callers sent through tunnels."""
    port: int = 0

    @contextmanager
    def listening(self) -> Iterator[ConnectProxy]:
        """Listen until the block ends."""
        with RawServer(self._serve) as server:
            self.port = server.port
            yield self

    def url(self, user: str = "") -> str:
        """Return the value of the setting."""
        return f"http://{user and user + '@'}127.0.0.1:{self.port}"

    def _serve(self, caller: Caller) -> None:
        request = caller.read_request()
        self.requests.append(request)
        if self.silent:
            caller.hold()
        elif self.refusal is not None:
            caller.send(self.refusal)
        else:
            self._tunnel(caller, request.split()[1].decode())

    def _tunnel(self, caller: Caller, target: str) -> None:
        host, _, port = target.rpartition(":")
        where = ("127.0.0.1", self.upstream) if self.upstream else (host.strip("[]"), int(port))
        with socket.create_connection(where, 5) as upstream:
            caller.send(self.established)
            while True:
                ready, _, _ = select.select([caller.sock, upstream], [], [], 20)
                for sock in ready:
                    data = sock.recv(65536)
                    if not data:
                        return
                    if sock is caller.sock:
                        self.carried += data
                    (upstream if sock is caller.sock else caller.sock).sendall(data)
