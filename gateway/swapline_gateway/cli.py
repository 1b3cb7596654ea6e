"""`swapline gateway`. Imports little: every `swapline` command loads this module."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Generator


def _root_path(_: click.Context, __: click.Parameter, value: str) -> str:
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise click.BadParameter("a path begins with a slash and has letters, digits, dots and dashes: /swapline")
    return path


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written when it listens: url, pid."
)
@click.option("--root-path", default="", callback=_root_path, help="The path that a proxy serves it under: /swapline.")
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
    with _listening(host, port) as listener, _announced(ready_file, _url(listener)):
        click.echo(f"The gateway is at {_url(listener)}{root_path}; its description is /docs. Ctrl-C stops it.")
        server.run(sockets=[listener])
    service.close()


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise click.ClickException(
            f"The gateway cannot listen on {host}, port {port}: {error.strerror}; choose another with --port."
        ) from None
    with listener:
        yield listener


@contextmanager
def _announced(ready_file: Path | None, url: str) -> Generator[None]:
    """Keep the ready file there while the gateway listens; whoever reads it finds all of it or nothing."""
    if ready_file is None:
        yield
        return
    draft = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
        draft.replace(ready_file)
    except OSError as error:
        raise click.ClickException(f"Cannot write the ready file {ready_file}: {error.strerror}.") from None
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)
