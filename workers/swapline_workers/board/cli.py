"""`swapline board`."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp

    from swapline_workers.board.settings import BoardSettings

STOP_WITHIN = 5
"""Seconds: pages take less than one."""

STORE_WITHIN = 10
"""Seconds for one picture."""


def _root_path(_: click.Context, __: click.Parameter, value: str) -> str:
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise click.BadParameter("a path begins with a slash and has letters, digits, dots and dashes: /swapline")
    return path


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5556, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written when it listens: url, pid."
)
@click.option("--root-path", default="", callback=_root_path, help="The path that a proxy serves it under: /swapline.")
def board(host: str, port: int, ready_file: Path | None, root_path: str) -> None:
    """Serve the status page for people until Ctrl-C or SIGTERM. It shows, and changes nothing.

    \b
    It asks for a name and a password: SWAPLINE_BOARD_USER (swapline) and SWAPLINE_BOARD_PASSWORD, which must be set.
    The pictures come from SWAPLINE_STORAGE_URL. It speaks plain HTTP: put a proxy with TLS before it.
    Example: SWAPLINE_BOARD_PASSWORD=… swapline board --port 5556
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.settings import load  # noqa: PLC0415 -- nothing of this is loaded for --help
    from swapline_workers.board.settings import BoardSettings  # noqa: PLC0415 -- as above

    settings = load(BoardSettings)
    app = _app(settings, root_path)
    with _listening(host, port) as listener:
        bound = listener.getsockname()
        url = (
            f"http://[{bound[0]}]:{bound[1]}" if listener.family is socket.AF_INET6 else f"http://{bound[0]}:{bound[1]}"
        )
        with _ready_file(ready_file, url):
            click.echo(f"The board is at {url} (user {settings.board_user}). Ctrl-C stops it.")
            _serve(app, listener)


def _app(settings: BoardSettings, root_path: str) -> ASGIApp:
    try:
        from swapline_workers.board.app import build_board  # noqa: PLC0415 -- what it needs is an extra
    except ModuleNotFoundError as error:
        raise click.ClickException(f"The board needs {error.name}: pip install 'swapline-workers[board]'.") from None
    from swapline_producer.ledger import Ledger, connect  # noqa: PLC0415 -- as above
    from swapline_producer.storage import open_storage  # noqa: PLC0415 -- as above
    from swapline_workers.web.basic_auth import BasicAuth  # noqa: PLC0415 -- as above

    storage = open_storage(settings.storage_url, timeout=STORE_WITHIN) if settings.storage_url else None
    ledger = Ledger(connect(settings.redis_url), settings.key_prefix, record_ttl=settings.job_ttl)
    return build_board(ledger, storage, BasicAuth([(settings.board_user, settings.password)]), root_path=root_path)


def _serve(app: ASGIApp, listener: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415 -- as above

    from swapline_workers.web.connections import BoundedProtocol  # noqa: PLC0415 -- as above

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # a URL may hold a search
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN,
        http=BoundedProtocol,
        proxy_headers=bool(os.environ.get("FORWARDED_ALLOW_IPS")),  # uvicorn's default trusts this host
        lifespan="off",  # nothing is opened before the first page
    )
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise click.ClickException(
            f"The board cannot listen on {host}, port {port}: {error.strerror}; choose another with --port."
        ) from None
    with listener:
        yield listener


@contextmanager
def _ready_file(ready_file: Path | None, url: str) -> Generator[None]:
    if ready_file is None:
        yield
        return
    unfinished = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
    try:
        unfinished.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
        unfinished.replace(ready_file)
    except OSError as error:
        raise click.ClickException(f"Cannot write the ready file {ready_file}: {error.strerror}.") from None
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)
