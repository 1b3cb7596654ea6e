"""kombu's Redis transport with five corrections.

1. Closing a connection with unacknowledged messages raises a ConnectionError instead of an AttributeError.
2. Connections are the ledger's (`ledger/primary.py`), which leave a demoted server.
3. An item on a queue that is no message is dropped.
4. Every key has the prefix. Sentinel's password stays out of what `inspect` shows.
5. Answers to remote commands also reach programs with kombu's own transport.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING, Any, ClassVar

import redis
from kombu import transport as kombu_transport
from kombu.transport import redis as kombu_redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from swapline_producer.ledger.primary import (
    PrimaryConnection,
    PrimaryTLSConnection,
    SentinelPrimaryConnection,
    SentinelPrimaryTLSConnection,
)

if TYPE_CHECKING:
    from swapline_producer.redis_url import RedisServer

log = logging.getLogger(__name__)

NO_MESSAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def log_dropped_item(error: Exception) -> None:
    """Log that an item of a queue was dropped."""
    log.error("item on a queue is no message and was dropped: %s", type(error).__name__)


class Channel(kombu_redis.Channel):
    """A channel whose keys have the installation's prefix."""

    connection_class: type[redis.Connection] = PrimaryConnection
    connection_class_ssl: type[redis.Connection] = PrimaryTLSConnection

    from_transport_options = (
        *kombu_redis.Channel.from_transport_options,
        "keyprefix_queue",
        "keyprefix_binding_permanent",
        "keyprefix_binding_deadlines",
    )

    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[misc]
        except NO_MESSAGE as error:
            log_dropped_item(error)
            raise Empty from None

    def get_table(self, exchange: str) -> Any:
        """Return bindings; for replies also those of kombu's own transport."""
        found = list(super().get_table(exchange))
        if exchange.startswith("reply."):
            with self.conn_or_acquire() as client, suppress(redis.exceptions.NoPermissionError):
                members = client.smembers(kombu_redis.Channel.keyprefix_queue % exchange)
                found += [tuple(member.decode().split(self.sep)) for member in members]
        return found

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT002 -- kombu's own signature
        if self.connection is None or self.connection.client is None:
            raise redis.exceptions.ConnectionError("this channel has been closed")
        params: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        return params


class Transport(kombu_redis.Transport):
    """The Redis transport with our channel."""

    Channel: type[kombu_redis.Channel] = Channel


class SentinelChannel(Channel, kombu_redis.SentinelChannel):
    """The same channel to Sentinel's master."""

    connection_class = SentinelPrimaryConnection
    connection_class_ssl = SentinelPrimaryTLSConnection

    from_transport_options = tuple(
        {*Channel.from_transport_options, *kombu_redis.SentinelChannel.from_transport_options}
    )

    sentinel_options: ClassVar[dict[str, Any]] = {}
    """One broker a process: set by `use_transports`."""

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:  # noqa: FBT002 -- kombu's own signature
        self.sentinel_kwargs = dict(self.sentinel_options)
        return super()._sentinel_managed_pool(asynchronous)  # type: ignore[misc]


class SentinelTransport(Transport):
    """The Redis transport to Sentinel's master."""

    default_port = kombu_redis.SentinelTransport.default_port
    Channel = SentinelChannel


def use_transports(
    server: RedisServer, plain: type[Transport] = Transport, sentinel: type[Transport] = SentinelTransport
) -> None:
    """Use these for `redis://`, `rediss://` and `sentinel://` in this process.

    Celery's setting is ignored for the second sentinel's URL, and Flower reads the scheme.
    """
    if server.service is not None:
        once = Retry(NoBackoff(), 0)  # redis-py would ask a dead sentinel three times more before the next one
        SentinelChannel.sentinel_options = {**server.sentinel_options, "retry": once}
    for scheme, transport in (("redis", plain), ("rediss", plain), ("sentinel", sentinel)):
        kombu_transport.TRANSPORT_ALIASES[scheme] = f"{transport.__module__}:{transport.__name__}"
        vars(kombu_transport)["_transport_cache"].pop(scheme, None)  # it may have been resolved before
