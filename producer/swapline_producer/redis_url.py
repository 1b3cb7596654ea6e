"""SWAPLINE_REDIS_URL in its parts: the address of broker and ledger.

    redis://[user:password@]host[:port][/db]
    rediss://…?ssl_ca_certs=FILE&ssl_certfile=FILE&ssl_keyfile=FILE      TLS
    unix:///path/of.sock[?db=N]
    sentinel://[user:password@]host[:port];host[:port];…/SERVICE[/db]    the master of SERVICE

The parameters are redis-py's. `sentinel_username` and `sentinel_password` are the sentinels'; any parameter of TLS, or
`ssl=true`, encrypts the way to both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

SCHEMES = ("redis://", "rediss://", "unix://", "sentinel://")
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
TLS = (*FILES, "ssl_cert_reqs", "ssl_check_hostname")
CERT_REQS = {"none": "none", "optional": "optional", "required": "required"}
REDIS_PORT, SENTINEL_PORT = 6379, 26379

SENTINEL_PATIENCE = 1.0
"""Seconds for one sentinel: they answer within milliseconds."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A server, or a service of Sentinel's."""

    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    host: str = "localhost"
    port: int = REDIS_PORT
    db: int = 0
    socket: str | None = None
    service: str | None = None
    """Sentinel's name of the master."""
    sentinels: tuple[tuple[str, int], ...] = ()
    sentinel_username: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)
    tls: dict[str, Any] = field(default_factory=dict)
    """redis-py's options; empty for a plain connection."""

    @property
    def options(self) -> dict[str, Any]:
        """Options of redis-py, without the address where Sentinel finds it."""
        who = {"username": self.username, "password": self.password, "db": self.db}
        if self.socket is not None:
            return {**who, "unix_socket_path": self.socket}
        encrypted = {"ssl": True, **self.tls} if self.tls else {}
        return {**who, **encrypted, **({} if self.service else {"host": self.host, "port": self.port})}

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """Options of redis-py for a sentinel, without its address."""
        return {
            "username": self.sentinel_username,
            "password": self.sentinel_password,
            "socket_timeout": SENTINEL_PATIENCE,
            "socket_connect_timeout": SENTINEL_PATIENCE,
            **({"ssl": True, **self.tls} if self.tls else {}),
        }

    @property
    def broker_url(self) -> str:
        """The same server as Celery spells it; `broker_use_ssl` needs `tls`."""
        who = _userinfo(self.username, self.password)
        if self.socket is not None:
            return f"redis+socket://{who}{self.socket}?virtual_host={self.db}"
        if self.service is not None:
            return ";".join(f"sentinel://{who}{_bracketed(host)}:{port}/{self.db}" for host, port in self.sentinels)
        return f"{'rediss' if self.tls else 'redis'}://{who}{_bracketed(self.host)}:{self.port}/{self.db}"


def parse_redis_url(url: str) -> RedisServer:
    """Take a URL apart. Raises ValueError with what to write instead, never a password."""
    if not url.startswith(SCHEMES):
        raise ValueError("must begin with redis://, rediss://, unix:// or sentinel://")
    if url.startswith("sentinel://"):
        return _sentinel(url.removeprefix("sentinel://"))
    parts = _split(url)
    more = _parameters(parts.query, {"db", *(TLS if parts.scheme == "rediss" else ())})
    db = _db(more.pop("db", "") or ("" if parts.scheme == "unix" else parts.path.strip("/")))
    username, password = _unquoted(parts.username), _unquoted(parts.password)
    if parts.scheme == "unix":
        if len(parts.path) < len("/s"):
            raise ValueError("must name the socket: unix:///path/of.sock")
        return RedisServer(username, password, db=db, socket=unquote(parts.path))
    host, port = parts.hostname or "localhost", parts.port or REDIS_PORT
    return RedisServer(username, password, host, port, db, tls=_tls(more) if parts.scheme == "rediss" else {})


def _sentinel(rest: str) -> RedisServer:
    """Read what follows `sentinel://`; each host may repeat the scheme, as kombu writes it."""
    before, _, query = rest.replace("sentinel://", "").partition("?")
    places, _, path = before.partition("/")
    service, _, db = path.strip("/").partition("/")
    if not service or service.isdigit():
        raise ValueError("must name Sentinel's service: sentinel://host:26379;host:26379/SERVICE or …/SERVICE/DB")
    found = [_split(f"redis://{place}") for place in places.split(";")]
    if not all(place.hostname for place in found):
        raise ValueError("must name at least one sentinel: sentinel://host:26379;host:26379/SERVICE")
    more = _parameters(query, {"db", "ssl", "sentinel_username", "sentinel_password", *TLS})
    sentinel_username, sentinel_password = more.pop("sentinel_username", None), more.pop("sentinel_password", None)
    db = more.pop("db", "") or db
    encrypted = _truth("ssl", more.pop("ssl", "true")) if more or "ssl" in query else False
    who = next((place for place in found if place.password), found[0])
    return RedisServer(
        username=_unquoted(who.username),
        password=_unquoted(who.password),
        db=_db(db),
        service=unquote(service),
        sentinels=tuple((place.hostname or "", place.port or SENTINEL_PORT) for place in found),
        sentinel_username=sentinel_username,
        sentinel_password=sentinel_password,
        tls=_tls(more) if encrypted else {},
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("has a host or a port that cannot be read: write host:port") from None
    return parts


def _parameters(query: str, known: set[str]) -> dict[str, str]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    if strange := sorted(found.keys() - known):
        raise ValueError(f"has the parameter {strange[0]!r}; there are: {', '.join(sorted(known))}")
    return found


def _tls(given: dict[str, str]) -> dict[str, Any]:
    """Verify the server's certificate and name by default."""
    for name in FILES:
        if name in given and not Path(given[name]).is_file():
            raise ValueError(f"names a file for {name} that is not there")
    asked = given.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if asked not in CERT_REQS:
        raise ValueError("has an ssl_cert_reqs that is none of: required, optional, none")
    named = _truth("ssl_check_hostname", given.get("ssl_check_hostname", "false" if asked == "none" else "true"))
    return {**given, "ssl_cert_reqs": asked, "ssl_check_hostname": named}


def _truth(name: str, text: str) -> bool:
    if text.lower() not in {"true", "1", "yes", "false", "0", "no"}:
        raise ValueError(f"has a {name} that is neither true nor false")
    return text.lower() in {"true", "1", "yes"}


def _db(text: str) -> int:
    if text and not text.isdecimal():
        raise ValueError("must end with the number of a database, e.g. /0")
    return int(text or 0)


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None


def _userinfo(username: str | None, password: str | None) -> str:
    if username is None and password is None:
        return ""
    return f"{quote(username or '', safe='')}:{quote(password or '', safe='')}@"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
