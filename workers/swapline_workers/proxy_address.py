"""SWAPLINE_HTTPS_PROXY in its parts: `http://[user:password@]host:port`."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_SHAPE = "must be http://[user:password@]host:port: the proxy itself is spoken to in plain HTTP, by CONNECT"


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """Where the proxy listens, and its credentials."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)
    """The value of `Proxy-Authorization`."""
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_proxy_url(url: str) -> ProxyAddress:
    """Take a URL apart. Raises ValueError, which never quotes it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_SHAPE) from None
    is_bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme != "http" or not host or not port or not is_bare or not (url.isascii() and url.isprintable()):
        raise ValueError(_SHAPE)
    if parts.username is None:
        return ProxyAddress(host, port)
    user, password = unquote(parts.username), unquote(parts.password or "")
    if ":" in user or not (user + password).isprintable():
        msg = "has a user name or a password that no header can carry (a colon in the name, or a control character)"
        raise ValueError(msg)
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return ProxyAddress(host, port, f"Basic {credentials}", password or None)
