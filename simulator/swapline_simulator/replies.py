"""What the vendor says, as bytes: pure, and in the vendor's own order of keys."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from importlib.resources import files
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

JSON = "application/json"
HTML = "text/html"
MIB = 2**20
LINE = 76
"""Characters in a line of base64, as mail programs break it."""


def page(name: str) -> str:
    """Give one of the HTML pages of this package."""
    return files("swapline_simulator").joinpath("pages", name).read_text(encoding="utf-8")


PROXY_PAGE = {504: page("504.html"), 524: page("524.html")}


class Reply(NamedTuple):
    """A whole answer. `pieces` are its body; they are not joined, because a result is several megabytes."""

    status: int
    pieces: Sequence[bytes]
    media_type: str = JSON
    headers: dict[str, str] = {}  # noqa: RUF012 -- nobody writes into it
