"""Connections to Redis that only the primary may answer.

Behind one address (a Service, a DNS name, a virtual IP, HAProxy) a fail-over leaves the connections there are with the
server that was demoted, which refuses writes and answers readers from a copy that may be cut off. So a reply that says
"wrong server" closes its connection as an error of the wire would, and all other connections of the process before
they are used again; a connection that is opened, and one that is taken from a pool some seconds later, asks for the
server's role. Each new connection resolves the name anew.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import BusyLoadingError, MasterDownError, ReadOnlyError, RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE_CHECK_S = 2.0
"""Seconds that a server's role is believed: one more command for each connection in that time, 50 microseconds."""

REFUSALS = (ReadOnlyError, MasterDownError, BusyLoadingError)

WORDS = ("UNBLOCKED ", "-READONLY ", "-MASTERDOWN ")
"""How the same begins where redis-py has no class for it: a blocked reader's reply, and scripts before 7.0."""


class WrongServer(redis.exceptions.ConnectionError):
    """The server behind this connection is not the primary, or not yet."""


def says_wrong_server(error: RedisError) -> bool:
    """Whether a reply means that another server should have been asked."""
    if isinstance(error, REFUSALS):
        return True
    return isinstance(error, ResponseError) and any(word in str(error) for word in WORDS)


class _Demotions:
    """How often this process has seen a primary demoted; connections that are older are not used again."""

    seen = 0


class _OnlyPrimary:
    """Mixed into redis-py's connections, which carry no types."""

    _opened_after = 0
    _confirmed_at = 0.0

    def on_connect_check_health(self: Any, *arguments: Any, **options: Any) -> None:
        """Greet the server, and hang up where it says that it is a replica."""
        self._opened_after, self._confirmed_at = _Demotions.seen, 0.0
        super().on_connect_check_health(*arguments, **options)  # type: ignore[misc]
        self._require_primary(self.handshake_metadata or {})

    def read_response(self: Any, *arguments: Any, **options: Any) -> Any:
        """Read a reply. Raises WrongServer for one that means it, after closing the connection."""
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except RedisError as error:
            if not says_wrong_server(error):
                raise
            self._hang_up(f"The server at this address takes no writes: {error}")

    def confirm_primary(self: Any) -> None:
        """Have an idle connection lead to the primary: a new one, where this one does not."""
        if self._opened_after == _Demotions.seen:
            if time.monotonic() < self._confirmed_at + ROLE_CHECK_S:
                return
            try:
                self.send_command("HELLO", check_health=False)
                self._require_primary(self.read_response())
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                pass  # half-open, or demoted: a new one is opened
            else:
                return
        self.disconnect()
        self.connect()

    def _require_primary(self: Any, said: Mapping[Any, Any]) -> None:
        role = said.get("role", said.get(b"role"))
        if role in {"replica", b"replica", "slave", b"slave"}:
            self._hang_up("The server at this address is a replica")
        self._confirmed_at = time.monotonic()

    def _hang_up(self: Any, why: str) -> None:
        """Close the connection; where it has led to the primary until now, so have others, which are not used again."""
        if self._opened_after == _Demotions.seen and self._confirmed_at:
            _Demotions.seen += 1
        self.disconnect()
        raise WrongServer(why)


class PrimaryConnection(_OnlyPrimary, redis.Connection):
    """Over TCP."""


class PrimaryTLSConnection(_OnlyPrimary, redis.SSLConnection):
    """Over TLS."""


class PrimaryUnixConnection(_OnlyPrimary, redis.UnixDomainSocketConnection):
    """Over a unix socket, behind which a proxy may be."""


class SentinelPrimaryConnection(_OnlyPrimary, SentinelManagedConnection):
    """To whichever server Sentinel calls the master."""


class SentinelPrimaryTLSConnection(_OnlyPrimary, SentinelManagedSSLConnection):
    """The same over TLS."""


class PrimaryPool(redis.ConnectionPool):
    """Gives out connections of the classes above, which lead to the primary when they are given out."""

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        """See `redis.ConnectionPool`."""
        connection: Any = super().get_connection(*arguments, **options)
        try:
            connection.confirm_primary()
        except BaseException:
            self.release(connection)
            raise
        return connection


class SentinelPrimaryPool(PrimaryPool, SentinelConnectionPool):
    """The same for a master that Sentinel finds."""


def primary_pool(*, unix_socket_path: str | None = None, ssl: bool = False, **options: Any) -> PrimaryPool:
    """Open a pool for one address; the options are those of `redis.Redis`. No connection is made yet."""
    if unix_socket_path is not None:
        return PrimaryPool(connection_class=PrimaryUnixConnection, path=unix_socket_path, **options)
    return PrimaryPool(connection_class=PrimaryTLSConnection if ssl else PrimaryConnection, **options)
