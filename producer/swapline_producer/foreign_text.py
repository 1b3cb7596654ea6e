"""Text from elsewhere, made safe for a terminal, a page or a log."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

_INVISIBLE = (
    *range(0x80, 0xA0),  # the second set of controls: 0x9b alone is an escape code to some terminals
    *(0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F),
    *range(0x202A, 0x202F),  # embeddings and overrides of direction
    *range(0x2060, 0x2070),  # isolates among them
    *range(0xD800, 0xE000),  # halves of a surrogate pair, which no stream can write
    *(0xFEFF, 0xFFF9, 0xFFFA, 0xFFFB),
    *range(0xE0000, 0xE0080),
)
_VISIBLE = {
    **dict.fromkeys(_INVISIBLE, "\N{REPLACEMENT CHARACTER}"),
    **{code: chr(0x2400 + code) for code in range(0x20)},  # a picture for each of the first controls
    0x7F: "\N{SYMBOL FOR DELETE}",
    0x2028: "\N{SYMBOL FOR NEWLINE}",
    0x2029: "\N{SYMBOL FOR NEWLINE}",
}
_VISIBLE_IN_LINES = {code: shown for code, shown in _VISIBLE.items() if code != ord("\n")}


def visible(value: object, *, lines: bool = False) -> str:
    """Return a text with controls, line breaks and direction marks made visible.

    `lines` keeps line breaks: for a text of our own.
    """
    text = str(value)
    return text if text.isprintable() else text.translate(_VISIBLE_IN_LINES if lines else _VISIBLE)


def without_query(url: str) -> str:
    """Return a URL without user name, query (`?…`) and fragment, which may be secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    plain = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return f"{plain}?…" if parts.query else plain
