"""Foreign texts for a page: short, without URLs' queries (perhaps signatures) and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_workers.core.reply.evidence import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping

HASH = 64
"""Characters of a SHA-256 in hex; a longer run of base64 may be a picture's."""


def shown(value: object) -> str:
    """Return a fact as text, at most 300 characters."""
    text = str(value)
    if len(text) <= HASH and "?" not in text:
        return text
    return excerpt(text)


def facts(data: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the facts of one event, by name."""
    return [(name.replace("_", " "), shown(value)) for name, value in data.items()]
