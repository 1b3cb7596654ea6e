"""A small receiver of webhooks that checks every signature and writes down what came.

    python -m swapline_workers.local.receiver --port 0 --ready-file ready.json --record webhooks.jsonl

The secrets are SWAPLINE_WEBHOOK_SECRETS in the environment. A delivery is one line of the record:
`{"time", "id", "type", "job_id", "verified", "reason"}`, written before it is answered: 204 where the signature is
right, 400 where it is not.
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

_BODY_LIMIT = 64 * 1024
"""Bytes: an event stays under 20 kB, so nothing of ours is ever cut."""
_CALM = 10.0
"""Seconds that a connection may be silent: a sender that hangs must not keep a thread."""


@dataclass(frozen=True)
class Delivery:
    """One webhook that came, as a line of the record."""

    time: str
    id: str
    type: str | None
    job_id: str | None
    verified: bool
    reason: str | None = None


class Receiver(ThreadingHTTPServer):
    """Listens on loopback; every POST is a delivery, whatever its path."""

    daemon_threads = True

    def __init__(self, port: int, record: Path, secrets: list[str]) -> None:
        """Listen on this port (0: a free one), and append to `record`. Raises SettingsError for a wrong secret."""
        for secret in secrets:
            read_key(secret)
        self._secrets = secrets
        self._record = record
        self._writing = threading.Lock()
        super().__init__((LOOPBACK, port), _Delivered)

    @property
    def url(self) -> str:
        """Where to send webhooks."""
        return f"http://{LOOPBACK}:{self.server_port}/webhooks"

    def take(self, body: bytes, headers: dict[str, str]) -> Delivery:
        """Check one delivery and write it down."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        webhook_id = headers.get(ID_HEADER, "")
        try:
            event = verify(body, headers, self._secrets)
        except WebhookVerificationError as error:
            delivery = Delivery(now, webhook_id, None, None, verified=False, reason=str(error))
        else:
            job_id = event.data.job_id if isinstance(event, SwapEvent) else None
            delivery = Delivery(now, webhook_id, event.type, job_id, verified=True)
        with self._writing, self._record.open("a") as record:
            record.write(json.dumps(asdict(delivery)) + "\n")
        return delivery


class _Delivered(BaseHTTPRequestHandler):
    server: Receiver
    timeout = _CALM

    def do_POST(self) -> None:
        try:
            size = int(self.headers.get("content-length", ""))
        except ValueError:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return
        if not 0 <= size <= _BODY_LIMIT:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        delivery = self.server.take(self.rfile.read(size), headers)
        self.send_response(HTTPStatus.NO_CONTENT if delivery.verified else HTTPStatus.BAD_REQUEST)
        self.send_header("Content-Length", "0")
        self.end_headers()


def read_record(record: Path) -> list[Delivery]:
    """Give the deliveries that were written down, oldest first; none while there is no record."""
    if not record.exists():
        return []
    *lines, _unfinished = record.read_text().split("\n")
    return [Delivery(**json.loads(line)) for line in lines]


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: a free one.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Gets the URL and pid once it listens.")
@click.option("--record", type=click.Path(path_type=Path), required=True, help="Gets a line of JSON for each webhook.")
def receiver(port: int, ready_file: Path | None, record: Path) -> None:
    """Receive webhooks, check their signatures and write them down, until SIGTERM or Ctrl-C."""
    secrets = [secret for secret in os.environ.get("SWAPLINE_WEBHOOK_SECRETS", "").split(",") if secret.strip()]
    if not secrets:
        raise click.UsageError("SWAPLINE_WEBHOOK_SECRETS is missing; set it to one whsec_… or several.")
    with Receiver(port, record, secrets) as server:
        if ready_file is not None:
            announce(ready_file, server.url)
        click.echo(server.url)
        server.serve_forever()


def announce(ready_file: Path, url: str) -> None:
    """Write a ready file, whole from the first moment at which it is there."""
    half = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
    half.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    half.replace(ready_file)


if __name__ == "__main__":
    receiver()
