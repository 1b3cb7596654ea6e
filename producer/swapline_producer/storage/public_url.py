"""SWAPLINE_STORAGE_PUBLIC_URL: where links lead if customers reach the store by another host."""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import urlsplit

from swapline_producer.errors import SettingsError


def checked_public_url(url: str, scheme: str) -> str:
    """Return the URL without a final slash. Raises SettingsError."""
    if scheme not in {"file", "s3"}:
        _refuse(f"links of {scheme}:// lead to the provider's own public host; leave it out")
    try:
        parts = urlsplit(url)
        well_formed = bool(parts.hostname) and parts.port != 0 and parts.scheme in {"http", "https"}
    except ValueError:
        well_formed = False
    if not well_formed:
        _refuse("it must be https://host, perhaps with a port (http:// for development)")
    if parts.query or parts.fragment or "@" in parts.netloc or not (url.isascii() and url.isprintable()):
        _refuse("it must not carry a user name, a query (?), a fragment (#), or characters that a URL cannot hold")
    if scheme == "s3" and parts.path.strip("/"):
        _refuse("the endpoint of an s3:// store has no path: signatures cover it")
    return url.rstrip("/")


def _refuse(reason: str) -> NoReturn:
    raise SettingsError(f"SWAPLINE_STORAGE_PUBLIC_URL is wrong: {reason}.")
