"""Remove from log values known secrets, credentials and queries of URLs, pictures, control characters.

Line breaks stay, for tracebacks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from swapline_producer.foreign_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GONE = "[...]"
LONGEST = 16_384
"""Of a value: a traceback of a hundred frames; its end is kept."""
SHORTEST = 6
"""A shorter secret may be an ordinary word."""

_USERINFO = re.compile(r"(?<=://)[^/\s@\"'<>]+@")
_QUERY = re.compile(r"(?<=[\w/%.~\-])\?[^\s\"'<>()\\]*=[^\s\"'<>()\\]*")
_PICTURE = re.compile(r"[A-Za-z0-9+/_\-]{256,}={0,2}")


def redactor(secrets: Iterable[str] = ()) -> Callable[[Any], Any]:
    """Return a function that cleans a value, however deep."""
    known = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    secret = re.compile("|".join([*map(re.escape, known), r"\bwhs(?:ec|k)_[A-Za-z0-9+/=_\-]+"]))
    return lambda value: _clean(value, secret)


def _clean(value: Any, secret: re.Pattern[str]) -> Any:
    match value:
        case str():
            return _clean_text(value, secret)
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case dict():
            return {_clean(name, secret): _clean(one, secret) for name, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(one, secret) for one in value]
        case None | bool() | int() | float():
            return value
    return _clean_text(str(value), secret)


def _clean_text(text: str, secret: re.Pattern[str]) -> str:
    if len(text) > LONGEST:
        text = f"[{len(text) - LONGEST} characters]{text[-LONGEST:]}"
    text = secret.sub(GONE, text)
    if "://" in text:
        text = _USERINFO.sub(f"{GONE}@", text)
    if "?" in text:
        text = _QUERY.sub(f"?{GONE}", text)
    return visible(_PICTURE.sub(lambda found: f"[{len(found[0])} characters]", text), lines=True)


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), quote(secret)} if len(secret) >= SHORTEST else set()
