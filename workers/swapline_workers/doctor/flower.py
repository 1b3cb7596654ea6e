"""Whether Flower answers. No job needs it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import requests

from swapline_producer.operations.doctor.findings import Finding, fail, ok, unchecked

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "flower"

USUAL = "http://localhost:5555"
"""The default address."""

TIMEOUT = 5.0
"""Seconds."""

START = "start it: `swapline flower` (or celery -A swapline_workers.entry flower)"


def examine(asked: str | None, setting: str | None) -> Iterator[Finding]:
    """Request /healthcheck. A missing Flower fails only if its address was set."""
    url = (asked or setting or USUAL).rstrip("/")
    named = asked or setting
    try:
        answer = requests.get(f"{url}/healthcheck", timeout=TIMEOUT, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        if named:
            yield fail(NAME, f"{url} cannot be reached ({type(error).__name__})", f"{START}; or correct its address")
        else:
            yield unchecked(NAME, f"nothing at {url}", "say where it is: SWAPLINE_FLOWER_URL or --flower-url")
        return
    if answer.status_code == HTTPStatus.OK and answer.text.strip() == "OK":
        yield ok(NAME, f"{url} answers")
    elif named:
        yield fail(NAME, f"{url}/healthcheck answers {answer.status_code}, as no Flower does", "correct its address")
    else:
        yield unchecked(NAME, f"what answers at {url} is no Flower", "say where it is: SWAPLINE_FLOWER_URL")
