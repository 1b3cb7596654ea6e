"""What every store promises, and what can be a key in all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from swapline_producer.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableSequence

LONGEST_URL_LIFE = 7 * 86_400.0
"""Seconds; S3 and Google refuse signed URLs that live longer than seven days."""

TEMPORARY = ".swapline-"
"""How the names of half-written files begin in a local store; no key may have such a part."""

_LONGEST_KEY = 1024
"""Bytes of UTF-8: the limit of S3 and Google."""

_LONGEST_PART = 255
"""Bytes: the limit of one name in common file systems."""

_NOT_IN_KEYS = re.compile(r"[\x00-\x1f\x7f\\]")


class StoredObject(NamedTuple):
    """One object in a list: its key, size in bytes, and when it was written (UTC milliseconds)."""

    key: str
    size: int
    modified_at: int


class Storage(Protocol):
    """A place for bytes under keys. All methods raise StorageUnavailable; a key that is no key is a StorageError.

    A key is a relative path with `/` between its parts: no empty part, no `.` or `..`, no control character.
    """

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write an object whole or not at all; one that is there is replaced."""

    def put_once(self, key: str, data: bytes, content_type: str) -> bool:
        """Write an object unless it is there; say whether this call wrote it. Of several at once, one does.

        Raises StorageUnavailable when what is there has another size: then it is not this object. A server that knows
        no conditional writes overwrites it: the key has to name the content.
        """

    def get(self, key: str) -> bytes:
        """Read an object. Raises ObjectMissing."""

    def head(self, key: str) -> int | None:
        """Give the size of an object in bytes, None when there is none."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""

    def list(
        self, prefix: str = "", *, after: str = "", odd: MutableSequence[str] | None = None
    ) -> Iterator[StoredObject]:
        """Give every object below a folder (`results/acme`), or all of them, in an order that is always the same.

        `after` begins behind this key of the folder, whether it is there or not. Names that can be no key, such as the
        folder markers of some consoles, are passed over, and added to `odd`.
        """

    def abandoned(self, older_than: float) -> int:
        """Delete what killed writers left unfinished, `older_than` seconds ago or more; give how many that were."""

    def url(self, key: str, expires: float = LONGEST_URL_LIFE) -> str:
        """Give a URL to read an object with, for `expires` seconds (seven days at most), whether it is there or not."""


def is_key(key: str) -> bool:
    """Whether this can be a key in every store."""
    try:
        checked_key(key)
    except StorageError:
        return False
    return True


def checked_key(key: str) -> str:
    """Give a key back if it can be one in every store. Raises StorageError.

    So no key leaves a local store's folder, and a key means the same object in each store.
    """
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
