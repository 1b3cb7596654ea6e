"""Object storage by URL: `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from swapline_producer.errors import SettingsError, StorageError
from swapline_producer.storage.base import LONGEST_URL_LIFE, Storage, StoredObject, checked_key
from swapline_producer.storage.public_url import checked_public_url

__all__ = ["LONGEST_URL_LIFE", "Storage", "StoredObject", "checked_key", "open_storage"]


_SIGNABLE = re.compile(r"[A-Za-z0-9._~/-]*")
"""Prefixes whose links obstore signs right: it does not percent-encode."""


def open_storage(url: str, *, timeout: float = 60.0, public_url: str | None = None) -> Storage:
    """Return the store behind a URL, not yet connected. Raises SettingsError.

    `timeout`: seconds for one read or write, repetitions included. `public_url`: for links.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        _refuse("it is not a well-formed URL")
    if parts.query or parts.fragment or "@" in parts.netloc:
        _refuse("it must not carry a user name, a query (?) or a fragment (#); credentials come from the environment")
    if parts.scheme == "file":
        from swapline_producer.storage.local.store import LocalStorage  # noqa: PLC0415 -- only who uses a store loads it

        return LocalStorage(_local_root(parts), public_url and checked_public_url(public_url, "file"))
    if parts.scheme not in {"s3", "gs", "az"}:
        _refuse("it must begin with file:///, s3://, gs:// or az:// (a folder is written file:///its/path)")
    if not host or parts.netloc != host:
        _refuse(f"after {parts.scheme}:// comes the name of a bucket or container, in small letters, and no port")
    from swapline_producer.storage.cloud import CloudStorage  # noqa: PLC0415 -- only who uses a store loads it

    public = public_url and checked_public_url(public_url, parts.scheme)
    prefix = _prefix(unquote(parts.path))
    if parts.scheme == "az" and not _SIGNABLE.fullmatch(prefix):
        _refuse("the path of an az:// URL has letters, digits and -._~ only: Azure answers links to others with 403")
    return CloudStorage(parts.scheme, host, prefix, timeout=timeout, public_url=public)


def _local_root(parts: SplitResult) -> Path:
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or not path.startswith("/"):
        _refuse("a file URL has three slashes and an absolute path: file:///its/path")
    if "\0" in path or not path.strip("/"):
        _refuse("a file URL names a folder: file:///its/path")
    return Path(path)


def _prefix(path: str) -> str:
    prefix = path.strip("/")
    try:
        return checked_key(prefix) if prefix else ""
    except StorageError:
        _refuse("its path has an empty part, . or .., or a control character")


def _refuse(reason: str) -> NoReturn:
    raise SettingsError(f"SWAPLINE_STORAGE_URL is wrong: {reason}.")
