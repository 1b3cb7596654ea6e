"""Decode an entry of `output.images`, in every unambiguous spelling: it is paid for."""

from __future__ import annotations

import binascii
import re
from urllib.parse import unquote_to_bytes

import pybase64

from swapline_workers.core.reply.evidence import excerpt
from swapline_workers.core.reply.status_reply import json_string

NAMES = ("data", "image", "base64")
"""Keys of an object's text."""

_QUOTE = b'"'
_NO_LINE_BREAKS = {ord("\r"): None, ord("\n"): None}
_DATA_URI = re.compile(rb'data:[^,"]{0,255};base64,', re.IGNORECASE)
"""Parameters may stand between the media type and `;base64` (RFC 2397)."""
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
"""To the standard alphabet (RFC 4648, section 5)."""


class PictureError(ValueError):
    """An entry of `output.images` is not base64 text."""


def decode(image: object) -> bytes:
    """Return the bytes of an entry: text, or an object with text under one of `NAMES`.

    Any base64, or a data URI. Raises PictureError, ReplyError.
    """
    if isinstance(image, memoryview):
        try:
            return pybase64.b64decode(_split(image)[1], validate=True)
        except binascii.Error:  # another spelling, escapes, or no base64 at all
            image = json_string(_QUOTE + image + _QUOTE)
    if isinstance(image, dict):
        image = next((image[name] for name in NAMES if image.get(name)), image)
    if not isinstance(image, str):
        raise PictureError(f"an entry of output.images is not text but {type(image).__name__}")
    try:
        text = image.translate(_NO_LINE_BREAKS).strip(" \t").encode("ascii")
        return pybase64.b64decode(_standard(text), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise PictureError(f"it is not base64: {excerpt(image[:40])!r}") from error


def _standard(text: bytes) -> bytes:
    """Return base64 in the standard alphabet, padded, without a head."""
    has_head, body = _split(memoryview(text))
    spelled = bytes(body)
    if has_head and b"%" in spelled:  # +, / and = may be escaped in a URI
        spelled = unquote_to_bytes(spelled)
    spelled = spelled.translate(_URL_SAFE)
    return spelled if b"=" in spelled else spelled + b"=" * (-len(spelled) % 4)


def _split(text: memoryview) -> tuple[bool, memoryview]:
    head = _DATA_URI.match(text)
    return (True, text[head.end() :]) if head else (False, text)
