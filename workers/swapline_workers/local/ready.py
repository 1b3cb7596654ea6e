"""Ways to ask a child whether it is ready. Each proves that it is this child who answers."""

from __future__ import annotations

import base64
import http.client
import json
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swapline_workers.local.child import Child

_ANSWER_WITHIN = 5.0
"""Seconds for one answer over loopback: long, because the machine may be busy starting everything else."""


def wrote(path: Path) -> Callable[[Child], bool]:
    """Say yes once `path` is a ready file, `{"url": …, "pid": …}`, of this very child and not of an earlier one."""

    def ready(child: Child) -> bool:
        return ready_facts(path).get("pid") == child.pid

    return ready


def ready_facts(path: Path) -> dict[str, object]:
    """Read a ready file; empty while there is none. It is moved into place when it is whole."""
    try:
        facts: dict[str, object] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return facts


def said(words: str) -> Callable[[Child], bool]:
    """Say yes once the child has written these words to its log since it was started."""

    def ready(child: Child) -> bool:
        return words in child.tail()

    return ready


def answers(url: str, *, user: str, password: str) -> Callable[[Child], bool]:
    """Say yes once `url` gives 200 to this user and 401 without: a password that only this child was given is proof."""
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
    connection = http.client.HTTPConnection(parts.netloc, timeout=_ANSWER_WITHIN)
    try:
        connection.request("GET", parts.path or "/", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
