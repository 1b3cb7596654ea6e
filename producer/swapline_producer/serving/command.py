"""The command line of a process that listens."""

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
    from collections.abc import Callable, Generator


def host_and_port(port: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options --host, --port, --ready-file and --root-path."""
    options = (
        click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
        click.option(
            "--port", default=port, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
        ),
        click.option(
            "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written when it listens: url, pid."
        ),
        click.option(
            "--root-path", default="", callback=_root_path, help="The path that a proxy serves it under: /swapline."
        ),
    )

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _root_path(_: click.Context, __: click.Parameter, value: str) -> str:
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise click.BadParameter("a path begins with a slash and has letters, digits, dots and dashes: /swapline")
    return path


@contextmanager
def listening(what: str, host: str, port: int, *, backlog: int) -> Generator[tuple[socket.socket, str]]:
    """Listen; yield the socket and its address. `what` is named in the error."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise click.ClickException(
            f"The {what} cannot listen on {host}, port {port}: {error.strerror}; choose another with --port."
        ) from None
    with listener:
        bound, number, *_ = listener.getsockname()
        yield listener, f"http://[{bound}]:{number}" if family is socket.AF_INET6 else f"http://{bound}:{number}"


@contextmanager
def ready_file_kept(ready_file: Path | None, url: str) -> Generator[None]:
    """Keep the ready file while the process listens."""
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


def names_a_proxy() -> bool:
    """Whether X-Forwarded-* is believed: uvicorn believes every local process."""
    return bool(os.environ.get("FORWARDED_ALLOW_IPS"))
