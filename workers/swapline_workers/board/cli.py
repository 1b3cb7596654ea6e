"""`swapline board`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swapline_producer.serving.command import host_and_port, listening, names_a_proxy, ready_file_kept

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from starlette.types import ASGIApp

    from swapline_workers.board.settings import BoardSettings

STOP_WITHIN = 5
"""Seconds: pages take less than one."""

BACKLOG = 256
"""Connections that the system accepts before the board does: people are few."""

STORE_WITHIN = 10
"""Seconds for one picture."""


@click.command()
@host_and_port(5556)
def board(host: str, port: int, ready_file: Path | None, root_path: str) -> None:
    """Serve the status page for people until Ctrl-C or SIGTERM.

    \b
    It asks for a name and a password: SWAPLINE_BOARD_USER (swapline) and SWAPLINE_BOARD_PASSWORD, which must be set.
    It changes nothing, but for who gives SWAPLINE_BOARD_CONSOLE_PASSWORD or an API key with the scope admin.
    The pictures come from SWAPLINE_STORAGE_URL. It speaks plain HTTP: put a proxy with TLS before it.
    Example: SWAPLINE_BOARD_PASSWORD=… swapline board --port 5556
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.settings import load  # noqa: PLC0415 -- nothing of this is loaded for --help
    from swapline_workers.board.settings import BoardSettings  # noqa: PLC0415 -- as above

    settings = load(BoardSettings)
    app = _app(settings, root_path)
    with listening("board", host, port, backlog=BACKLOG) as (listener, url), ready_file_kept(ready_file, url):
        click.echo(f"The board is at {url}{root_path} (user {settings.board_user}). Ctrl-C stops it.")
        _serve(app, listener)


def _app(settings: BoardSettings, root_path: str) -> ASGIApp:
    try:
        from swapline_workers.board.app import build_board  # noqa: PLC0415 -- what it needs is an extra
    except ModuleNotFoundError as error:
        raise click.ClickException(f"The board needs {error.name}: pip install 'swapline-workers[board]'.") from None
    from swapline_producer.ledger import open_ledger  # noqa: PLC0415 -- as above
    from swapline_producer.storage import open_storage  # noqa: PLC0415 -- as above
    from swapline_workers.web.basic_auth import BasicAuth  # noqa: PLC0415 -- as above

    storage = open_storage(settings.storage_url, timeout=STORE_WITHIN) if settings.storage_url else None
    passwords = [settings.password, *filter(None, [settings.console_password])]
    basic_auth = BasicAuth([(settings.board_user, password) for password in passwords])
    return build_board(
        open_ledger(settings), storage, basic_auth, console_password=settings.console_password, root_path=root_path
    )


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
        proxy_headers=names_a_proxy(),
        lifespan="off",  # nothing is opened before the first page
    )
    uvicorn.Server(config).run(sockets=[listener])
