"""What every store promises, and its keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from swapline_producer.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableSequence

LONGEST_URL_LIFE = 7 * 86_400.0
"""Seconds: S3 and Google sign no longer."""

TEMPORARY = ".swapline-"
"""Prefix of half-written files; no part of a key has it."""

_LONGEST_KEY = 1024
"""Bytes of UTF-8: the limit of S3 and Google."""

_LONGEST_PART = 255
"""Bytes: the limit of common file systems."""

_NOT_IN_KEYS = re.compile(r"[\x00-\x1f\x7f\\]")


class StoredObject(NamedTuple):
    """Key, bytes, and when it was written (UTC milliseconds)."""

    key: str
    size: int
    modified_at: int


class Storage(Protocol):
    """Bytes under keys. All methods raise StorageUnavailable; StorageError for what is no key."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write or replace an object, whole or not at all."""

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:
        """Write an object unless it is there; return whether this call wrote it.

        Raises StorageUnavailable where another size is there. Some servers overwrite, so the key has to name the
        content.
        """

    def get(self, key: str) -> bytes:
        """Read an object. Raises ObjectMissing."""

    def head(self, key: str) -> int | None:
        """Return an object's size in bytes, or None."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are no error."""

    def list(
        self, prefix: str = "", *, after: str = "", odd: MutableSequence[str] | None = None
    ) -> Iterator[StoredObject]:
        """Yield the objects below a folder (`results/acme`), or all, in one order, from behind the key `after`.

        Names that are no keys are added to `odd`.
        """

    def abandoned(self, older_than: float) -> int:
        """Delete unfinished files `older_than` seconds old; return their number."""

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:
        """Return a URL that reads an object for `expires` seconds, if it is there."""


def is_key(key: str) -> bool:
    """Whether this can be a key in every store."""
    try:
        checked_key(key)
    except StorageError:
        return False
    return True


def checked_key(key: str) -> str:
    """Return a valid key. Raises StorageError: none leaves a local store's folder."""
    parts = key.split("/")
    try:
        too_long = len(key.encode()) > _LONGEST_KEY or any(len(part.encode()) > _LONGEST_PART for part in parts)
    except UnicodeEncodeError:
        too_long = False
        parts = [""]
    if too_long or not all(map(_is_part, parts)):
        raise StorageError(
            f"{key[:100]!r} cannot be the key of an object: write parts between single slashes, without . and .., "
            f"control characters or backslashes, {_LONGEST_KEY} bytes in all.",
        )
    return key


def _is_part(part: str) -> bool:
    return part not in {"", ".", ".."} and not part.startswith(TEMPORARY) and not _NOT_IN_KEYS.search(part)
