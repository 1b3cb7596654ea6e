"""Readiness checks that prove that this child is ready, not another on its port."""

from __future__ import annotations

import base64
import http.client
import json
import os
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swapline_workers.local.supervision.child import Child

_HTTP_TIMEOUT_S = 5.0
"""For a reply on a machine that starts everything else."""


def ready_file_written(path: Path) -> Callable[[Child], bool]:
    """Return a check for a ready file, `{"url": …, "pid": …}`, of this child."""
    return lambda child: read_ready_file(path).get("pid") == child.pid


def read_ready_file(path: Path) -> dict[str, object]:
    """Read a ready file; empty while there is none."""
    try:
        facts: dict[str, object] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return facts


def write_ready_file(path: Path, url: str) -> None:
    """Write a ready file of this process atomically."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    temporary.replace(path)


def log_has(text: str) -> Callable[[Child], bool]:
    """Return a check that the child has logged `text`."""
    return lambda child: text in child.log_tail()


def login_works(url: str, *, user: str, password: str) -> Callable[[Child], bool]:
    """Return a check that `url` answers 200 to this login and 401 without."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()

    def ready(_child: Child) -> bool:
        try:
            return (
                _status(url, {}) == HTTPStatus.UNAUTHORIZED
                and _status(url, {"Authorization": f"Basic {token}"}) == HTTPStatus.OK
            )
        except (OSError, http.client.HTTPException):
            return False

    return ready


def _status(url: str, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_HTTP_TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
