"""A webhook receiver that writes down every delivery, whatever it is, and says 204."""

from __future__ import annotations

import http.server
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Receiver(http.server.ThreadingHTTPServer):
    """A context manager; `tell` gets each delivery before it is answered."""

    daemon_threads = True

    def __init__(self, record: Callable[[dict[str, object]], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Delivery)
        self.record = record
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """Stay quiet: connections that break are what all this is about."""


class _Delivery(http.server.BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # half a delivery is none
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower().startswith("webhook-")}
        self.server.record({"at": time.time_ns() // 1_000_000, "headers": headers, "body": body.decode()})
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""
