"""Excerpts of replies for logs and jobs: short, readable, without secrets or pictures."""

from __future__ import annotations

import re

import orjson

from swapline_producer.contract import VENDOR_CODES, FailureCode

EXCERPT_LIMIT = 300
"""Characters: an error's sentence fits, a page does not."""
WINDOW = 4096
"""Characters that are looked at."""

_CODE = re.compile(rf"(?<![A-Za-z0-9_])({'|'.join(sorted(VENDOR_CODES))})(?![A-Za-z0-9_])")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\\-]{48,}")
"""48: longer than a UUID, shorter than a line of base64."""
_QUERY = re.compile(r"""(https?:(?:\\?/){2}[^\s"'<>?#]*)[?#][^\s"'<>]*""", re.IGNORECASE)
_WORDS = ("error", "message", "detail", "msg", "reason", "error_message", "errorMessage", "title")
"""Keys of error texts, the likeliest first."""


def excerpt(body: bytes | str, secret: str = "") -> str:
    """Return a body's beginning in one line, at most 300 printable characters.

    Without base64, queries of URLs, and `secret`.
    """
    text = _without(secret, body.decode("utf-8", "replace") if isinstance(body, bytes) else body)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = _QUERY.sub(r"\1", text)
    text = _BASE64.sub(lambda run: f"[{len(run[0])} characters]", text)
    return text[:EXCERPT_LIMIT].strip()


def _without(secret: str, text: str) -> str:
    """Return the beginning of a text without a secret, even one that the window cuts."""
    window = text[:WINDOW]
    if not secret:
        return window
    for spelling in (secret, secret.replace("/", "\\/")):
        window = window.replace(spelling, "[key]")
    return window[: -2 * len(secret)] if len(text) > WINDOW else window


def find_code(body: bytes | str) -> FailureCode | None:
    """Find a vendor's code: first a value that is one, then one in text."""
    text = body[: 4 * WINDOW].decode("utf-8", "replace") if isinstance(body, bytes) else body
    for value in _strings(_load(body)):
        if value.strip() in VENDOR_CODES:
            return FailureCode(value.strip())
    found = _CODE.search(text)
    return FailureCode(found[1]) if found else None


def error_text(body: bytes, secret: str = "") -> str:
    """Return a JSON error's text, else the body's `excerpt`."""
    return excerpt(words(_load(body)) or body, secret)


def words(data: object, depth: int = 4) -> str | None:
    """Return a JSON body's first text under a key of `_WORDS`."""
    if isinstance(data, str):
        return data or None
    if depth == 0:
        return None
    if isinstance(data, list):
        return next((found for item in data if (found := words(item, depth - 1))), None)
    if isinstance(data, dict):
        inner = [data[key] for key in _WORDS if data.get(key)]
        inner += [data[key] for key in ("output", "errors") if isinstance(data.get(key), dict | list)]
        return next((found for item in inner if (found := words(item, depth - 1))), None)
    return None


def _load(body: bytes | str) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _strings(data: object) -> list[str]:
    found, waiting = [], [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            waiting.extend(reversed(item.values()))
    return found
