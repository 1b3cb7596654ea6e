"""`swapline gateway`. Imports little: every `swapline` command loads this module."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from swapline_producer.serving.command import host_and_port, listening, ready_file_kept

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG = 1024
"""Connections that the system accepts before the gateway does: callers come in bursts."""


@click.command()
@host_and_port(8080)
def gateway(host: str, port: int, ready_file: Path | None, root_path: str) -> None:
    """Serve Swapline over HTTP for every language, until Ctrl-C or SIGTERM; /docs describes it.

    \b
    Requests need a key: `swapline keys create` makes one. It speaks plain HTTP: put a proxy with TLS before it, and
    name that in FORWARDED_ALLOW_IPS. Any number of gateways may run beside each other.
    Example: swapline gateway --port 8080
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_gateway.app import build_app  # noqa: PLC0415 -- nothing of this is loaded for --help
    from swapline_gateway.server import build_server  # noqa: PLC0415 -- as above
    from swapline_gateway.service import Service  # noqa: PLC0415 -- as above
    from swapline_gateway.settings import GatewaySettings  # noqa: PLC0415 -- as above
    from swapline_producer.producer import Producer  # noqa: PLC0415 -- as above
    from swapline_producer.settings import load  # noqa: PLC0415 -- as above

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    settings = load(GatewaySettings)
    service = Service(Producer.connect(settings), settings, root_path)
    server = build_server(build_app(service), service)
    with listening("gateway", host, port, backlog=BACKLOG) as (listener, url), ready_file_kept(ready_file, url):
        click.echo(f"The gateway is at {url}{root_path}; its description is /docs. Ctrl-C stops it.")
        server.run(sockets=[listener])
    service.close()
