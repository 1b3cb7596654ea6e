"""A webhook receiver that verifies each signature and records each delivery.

SWAPLINE_WEBHOOK_SECRETS has the secrets. A line of the record, `{"time", "id", "type", "job_id", "verified",
"reason"}`, is written before the reply: 204 for a valid signature, else 400.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from swapline_producer.contract import SwapEvent
from swapline_producer.errors import WebhookVerificationError
from swapline_producer.webhooks.signing import ID_HEADER, read_key, verify
from swapline_workers.local.ports import LOOPBACK
from swapline_workers.local.ready import write_ready_file

_MAX_BODY_BYTES = 64 * 1024
"""An event has less than 20 kB."""
_IDLE_TIMEOUT_S = 10.0
"""A sender that hangs must block no thread."""


@dataclass(frozen=True)
class Delivery:
    """A received webhook: a line of the record."""

    time: str
    id: str
    type: str | None
    job_id: str | None
    verified: bool
    reason: str | None = None


class Receiver(ThreadingHTTPServer):
    """Listens on loopback; a POST is a delivery."""

    daemon_threads = True

    def __init__(self, port: int, record: Path, secrets: list[str]) -> None:
        """Listen on `port` (0: a free one). Raises SettingsError."""
        for secret in secrets:
            read_key(secret)
        self._secrets = secrets
        self._record = record
        self._record_lock = threading.Lock()
        super().__init__((LOOPBACK, port), _DeliveryHandler)

    @property
    def url(self) -> str:
        """The URL for webhooks."""
        return f"http://{LOOPBACK}:{self.server_port}/webhooks"

    def receive(self, body: bytes, headers: dict[str, str]) -> Delivery:
        """Verify one delivery and record it."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        webhook_id = headers.get(ID_HEADER, "")
        try:
            event = verify(body, headers, self._secrets)
        except WebhookVerificationError as error:
            delivery = Delivery(now, webhook_id, None, None, verified=False, reason=str(error))
        else:
            job_id = event.data.job_id if isinstance(event, SwapEvent) else None
            delivery = Delivery(now, webhook_id, event.type, job_id, verified=True)
        with self._record_lock, self._record.open("a") as record:
            record.write(json.dumps(asdict(delivery)) + "\n")
        return delivery


class _DeliveryHandler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = _IDLE_TIMEOUT_S

    def do_POST(self) -> None:
        try:
            size = int(self.headers.get("content-length", ""))
        except ValueError:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        if not 0 <= size <= _MAX_BODY_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        delivery = self.server.receive(self.rfile.read(size), headers)
        self.send_response(HTTPStatus.NO_CONTENT if delivery.verified else HTTPStatus.BAD_REQUEST)
        self.send_header("Content-Length", "0")
        self.end_headers()


def read_record(record: Path) -> list[Delivery]:
    """Return the recorded deliveries, oldest first."""
    if not record.exists():
        return []
    *lines, _unfinished = record.read_text().split("\n")
    return [Delivery(**json.loads(line)) for line in lines]


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: a free one.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Gets the URL and pid once it listens.")
@click.option("--record", type=click.Path(path_type=Path), required=True, help="Gets a line of JSON for each webhook.")
def receiver(port: int, ready_file: Path | None, record: Path) -> None:
    """Receive, verify and record webhooks until SIGTERM or Ctrl-C."""
    secrets = [secret for secret in os.environ.get("SWAPLINE_WEBHOOK_SECRETS", "").split(",") if secret.strip()]
    if not secrets:
        raise click.UsageError("SWAPLINE_WEBHOOK_SECRETS is missing; set it to one whsec_… or several.")
    with Receiver(port, record, secrets) as server:
        if ready_file is not None:
            write_ready_file(ready_file, server.url)
        click.echo(server.url)
        server.serve_forever()


if __name__ == "__main__":
    receiver()
