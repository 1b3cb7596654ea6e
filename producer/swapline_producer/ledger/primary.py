"""Connections to Redis that only a primary may answer: new and idle ones ask for its role.

After a fail-over behind one address, the demoted server's first refusal closes all.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import BusyLoadingError, MasterDownError, ReadOnlyError, RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection

from swapline_producer.ledger.servers import replication_id

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE_CHECK_S = 2.0
"""A server's role is trusted so long; asking takes 50 microseconds."""

REFUSALS = (ReadOnlyError, MasterDownError, BusyLoadingError)

WORDS = ("UNBLOCKED ", "-READONLY ", "-MASTERDOWN ")
"""Replies without a class in redis-py."""


class WrongServer(redis.exceptions.ConnectionError):
    """This server is not the primary."""


def says_wrong_server(error: RedisError) -> bool:
    """Whether a reply means that another server should have been called."""
    if isinstance(error, REFUSALS):
        return True
    return isinstance(error, ResponseError) and any(word in str(error) for word in WORDS)


class _Demotions:
    """Older connections are not used again."""

    seen = 0


class _OnlyPrimary:
    """Mixed into redis-py's connections, which carry no types."""

    _opened_after = 0
    _confirmed_at = 0.0
    _server = ""

    def on_connect_check_health(self: Any, *arguments: Any, **options: Any) -> None:
        """Greet the server; close the connection to a replica."""
        self._opened_after, self._confirmed_at, self._server = _Demotions.seen, 0.0, ""
        super().on_connect_check_health(*arguments, **options)  # type: ignore[misc]
        self._require_primary(self.handshake_metadata or {})

    def read_response(self: Any, *arguments: Any, **options: Any) -> Any:
        """Read a reply. Raises WrongServer after closing the connection."""
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except RedisError as error:
            if not says_wrong_server(error):
                raise
            self._hang_up(f"The server at this address takes no writes: {error}")

    def server(self: Any) -> str:
        """Return the replication id of the server at the other end; it is asked once."""
        self._server = self._server or replication_id(self)
        return str(self._server)

    def confirm_primary(self: Any, trusted_for: float = ROLE_CHECK_S) -> None:
        """Reconnect where an idle connection no longer leads to the primary."""
        if self._opened_after == _Demotions.seen:
            if time.monotonic() < self._confirmed_at + trusted_for:
                return
            try:
                self.send_command("HELLO", check_health=False)
                self._require_primary(self.read_response())
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                pass  # half-open or demoted: open a new one
            else:
                return
        self.disconnect()
        self.connect()

    def _require_primary(self: Any, reply: Mapping[Any, Any]) -> None:
        role = reply.get("role", reply.get(b"role"))
        if role in {"replica", b"replica", "slave", b"slave"}:
            self._hang_up("The server at this address is a replica")
        self._confirmed_at = time.monotonic()

    def _hang_up(self: Any, why: str) -> None:
        """Close the connection; where it led to the primary until now, all older ones."""
        if self._opened_after == _Demotions.seen and self._confirmed_at:
            _Demotions.seen += 1
        self.disconnect()
        raise WrongServer(why)


class PrimaryConnection(_OnlyPrimary, redis.Connection):
    """Over TCP."""


class PrimaryTLSConnection(_OnlyPrimary, redis.SSLConnection):
    """Over TLS."""


class PrimaryUnixConnection(_OnlyPrimary, redis.UnixDomainSocketConnection):
    """Over a unix socket, perhaps a proxy's."""


class SentinelPrimaryConnection(_OnlyPrimary, SentinelManagedConnection):
    """To Sentinel's master."""


class SentinelPrimaryTLSConnection(_OnlyPrimary, SentinelManagedSSLConnection):
    """The same over TLS."""


class PrimaryPool(redis.ConnectionPool):
    """Its connections lead to the primary when taken."""

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
    """Open a pool for one address; options as for `redis.Redis`."""
    if unix_socket_path is not None:
        return PrimaryPool(connection_class=PrimaryUnixConnection, path=unix_socket_path, **options)
    return PrimaryPool(connection_class=PrimaryTLSConnection if ssl else PrimaryConnection, **options)
