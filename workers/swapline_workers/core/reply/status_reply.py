"""Read a status reply: its status as early as possible, then the pictures.

Long strings are cut out before the rest is parsed: a twentieth of the time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import orjson

from swapline_producer.contract import FailureCode

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPLETED = "COMPLETED"
"""The only status that counts before the reply has ended."""
PREFIX = 4096
"""Bytes searched for an early status."""
STATUS_LIMIT = 64
"""Characters: it is stored with the job."""
LONG = 4096
"""Bytes: longer than an id, shorter than a picture."""
QUOTES_LIMIT = 10_000
"""Quotation marks above which cutting costs more than parsing."""
RUN_LIMIT = 64
"""Backslashes counted before a quotation mark."""

_BOM = b"\xef\xbb\xbf"
_QUOTE = b'"'
_BACKSLASH = b"\\"
_NUL = b"\\u0000"
"""Beginning of a placeholder for a cut string."""
_TOKEN = re.compile(rb'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+)', re.DOTALL)
_EARLY = (b'"status"', b'"id"')
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")


class ReplyError(ValueError):
    """The message does not quote the body."""

    def __init__(self, message: str, *, code: FailureCode | None = None) -> None:
        """`code`: of a job that ends for this."""
        super().__init__(message)
        self.code = code


class Reply(NamedTuple):
    """`data` is the JSON, in which pictures may be placeholders."""

    status: str
    data: dict[str, object]
    images: list[object]
    """Entries that are not empty: raw text, or JSON."""


class Beginning(NamedTuple):
    """None for what is incomplete."""

    status: str | None = None
    job_id: str | None = None


def beginning(prefix: bytes) -> Beginning:
    """Read the top-level `status` and `id` from a reply's first bytes."""
    found: dict[bytes, str | None] = {}
    depth, key, after_colon = 0, b"", False
    at = len(_BOM) if prefix.startswith(_BOM) else 0
    while len(found) < len(_EARLY) and (token := _TOKEN.match(prefix, at)):
        at, word = token.end(), token[1]
        if word in b"{[":
            depth += 1
        elif word in b"}]":
            depth -= 1
        elif depth == 1 and after_colon and key in _EARLY:
            found.setdefault(key, _early_text(word, whole=at < len(prefix)))
        elif depth == 1 and word.startswith(_QUOTE):
            key = key if after_colon else word
        if depth == 0 or (depth == 1 and word == b"["):
            break  # no object, or incomplete
        after_colon = word == b":" if depth == 1 else after_colon
    return Beginning(*(found.get(name) for name in _EARLY))


def _early_text(word: bytes, *, whole: bool) -> str | None:
    """Return a string or integer as text; integers only where `whole`."""
    if word.startswith(_QUOTE):
        try:
            return json_string(word) or None
        except ReplyError:
            return None
    return word.decode() if whole and _INTEGER.fullmatch(word) else None


def usable_status(status: str) -> bool:
    """Whether a status may be stored, logged and shown."""
    return len(status) <= STATUS_LIMIT and status.isprintable()


def id_of(data: Mapping[str, object]) -> str | None:
    """Return a reply's id as text, or None. Raises ReplyError."""
    value = data.get("id")
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ReplyError("its id is neither text nor an integer")
    return str(value)


def read(body: bytes | bytearray, length: int | None = None) -> Reply:
    """Read `length` bytes as a whole reply; pictures stay encoded. Raises ReplyError."""
    view = memoryview(body)[:length]
    envelope, cut = _cut(body, view)
    data = _object(envelope)
    images = _images(data)
    if cut and not {f"\0{number}" for number in range(len(cut))}.issubset(i for i in images if isinstance(i, str)):
        data, cut = _object(view), []
        images = _images(data)
    status = data.get("status")
    if not isinstance(status, str) or not status:
        raise ReplyError("it has no status that is a word")
    if not usable_status(status):
        problem = f"its status is longer than {STATUS_LIMIT} characters, or not one line that can be printed"
        raise ReplyError(problem, code=FailureCode.VENDOR_STATUS_INVALID)
    places: dict[object, memoryview] = {f"\0{number}": text for number, text in enumerate(cut)}
    return Reply(status, data, [places.get(i, i) if isinstance(i, str) else i for i in images])


def _cut(body: bytes | bytearray, view: memoryview) -> tuple[bytes | memoryview, list[memoryview]]:
    """Return the body with numbers for its long strings, and those; both unchanged where that is unsafe."""
    end = len(view)
    if end <= LONG:
        return view, []
    kept: list[memoryview] = []
    cut: list[memoryview] = []
    start, after, at = -1, 0, body.find(_QUOTE, 0, end)
    for _ in range(QUOTES_LIMIT):
        if at < 0:
            kept.append(view[after:])
            break
        escaped = start >= 0 and _is_escaped(bytes(view[max(start + 1, at - RUN_LIMIT) : at]))
        if escaped is None:
            return view, []
        if start >= 0 and not escaped and at - start > LONG:
            kept.append(view[after:start])
            cut.append(view[start + 1 : at])
            after = at + 1
        start = at if start < 0 else start if escaped else -1
        at = body.find(_QUOTE, at + 1, end)
    else:
        return view, []
    if not cut or any(_NUL in bytes(piece) for piece in kept):
        return view, []
    places = [b'"%b%d"' % (_NUL, number) for number in range(len(cut))]
    return b"".join(piece for pair in zip(kept, [*places, b""], strict=True) for piece in pair), cut


def _is_escaped(before: bytes) -> bool | None:
    """Whether a quotation mark after these bytes is escaped; None: they are too few."""
    run = len(before) - len(before.rstrip(_BACKSLASH))
    return None if run == RUN_LIMIT else run % 2 == 1


def _object(body: bytes | memoryview) -> dict[str, object]:
    try:
        data = orjson.loads(body[len(_BOM) :] if body[: len(_BOM)] == _BOM else body)
    except orjson.JSONDecodeError as error:
        raise ReplyError("it is not JSON") from error
    if not isinstance(data, dict):
        raise ReplyError("it is JSON, but not an object")
    return data


def _images(data: dict[str, object]) -> list[object]:
    output = data.get("output")
    images = output.get("images") if isinstance(output, dict) else None
    return [image for image in (images if isinstance(images, list) else [images]) if image not in (None, "")]


def json_string(word: bytes) -> str:
    """Return the text of a JSON string. Raises ReplyError."""
    try:
        return str(orjson.loads(word))
    except orjson.JSONDecodeError as error:
        raise ReplyError("it is not JSON: a string in it is not legal") from error
