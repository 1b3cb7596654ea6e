"""A channel with one client, which fetches several messages in one round trip."""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import TYPE_CHECKING, Any

import orjson
import redis
from kombu.transport import redis as kombu_redis

from swapline_workers.dispatch import transport
from swapline_workers.dispatch.transport import NO_MESSAGE, log_dropped_item

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

FETCH_LIMIT = 8
"""Messages of one round trip: half of a worker's threads."""


def _is_refused(error: redis.exceptions.ResponseError) -> bool:
    return isinstance(error, redis.exceptions.NoPermissionError) or "unknown command" in str(error).lower()


class QoS(kombu_redis.QoS):
    """kombu's count, bounded by this process's capacity."""

    channel: Channel

    def can_consume(self) -> bool:
        """Whether one more may be read."""
        return bool(super().can_consume()) and self.channel.free_capacity() != 0

    def can_consume_max_estimate(self) -> int | None:  # type: ignore[override]  # its types forget "no limit"
        """Messages that may be read; None: no limit."""
        limits = [super().can_consume_max_estimate(), self.channel.free_capacity()]
        return min((limit for limit in limits if limit is not None), default=None)


class Channel(transport.Channel):
    """A channel with one client."""

    QoS = QoS

    handle_message: Callable[[str, dict[str, Any]], bool] | None = None
    """Runs a message here; returns False where Celery must."""
    free_capacity: Callable[[], int | None] = staticmethod(lambda: None)
    """Messages that may still be read; None: no limit."""

    subscribers: int | None = None
    """Receivers of the last event; None before the first."""

    _shared: redis.Redis | None = None
    _fetches_several = True
    _sent_blmpop = False

    def _create_client(self, asynchronous: bool = False) -> redis.Redis:  # noqa: FBT002 -- kombu's own signature
        """Return one client a pool; kombu builds the event loop's itself."""
        if asynchronous:
            client: redis.Redis = super()._create_client(asynchronous=True)  # type: ignore[misc]
            return client
        if self._shared is None or self._shared.connection_pool is not self.pool:
            self._shared = super()._create_client()  # type: ignore[misc]
        return self._shared

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **_options: Any) -> None:
        payload = orjson.dumps(message)
        with self.conn_or_acquire() as client:
            topics = self._get_publish_topics(exchange, routing_key)  # type: ignore[attr-defined]
            self.subscribers = sum(client.publish(topic, payload) for topic in topics)

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for several messages at once, where the server can."""
        self._sent_blmpop = self._fetches_several and self.priority_steps == [0] and not self.global_keyprefix
        if not self._sent_blmpop:
            super()._brpop_start(timeout)  # type: ignore[misc]
            return
        queues = self._queue_cycle.consume(len(self.active_queues))  # type: ignore[attr-defined]
        if not queues:
            return
        free = self.qos.can_consume_max_estimate()
        number = FETCH_LIMIT if free is None else max(1, min(free, FETCH_LIMIT))
        seconds = (self.brpop_timeout if timeout is None else timeout) or 0
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        self._in_poll.send_command("BLMPOP", seconds, len(queues), *queues, "RIGHT", "COUNT", number)

    def _brpop_read(self, **options: Any) -> bool:
        if not self._sent_blmpop:
            return super()._brpop_read(**options)
        try:
            found = self._blmpop_reply(self.client, **options)
            if not found:
                raise Empty
            queue = found[0].decode()
            self._queue_cycle.rotate(queue)  # type: ignore[attr-defined]
            for item in found[1]:
                self._deliver_item(queue, item)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()  # type: ignore[attr-defined]

    def _deliver_item(self, queue: str, item: bytes) -> None:
        try:
            raw = orjson.loads(item)
            if self.handle_message is None or not self.handle_message(queue, raw):
                self.connection._deliver(raw, queue)  # noqa: SLF001 -- as kombu's own reading does
        except NO_MESSAGE as error:
            log_dropped_item(error)

    def _blmpop_reply(self, client: Any, **options: Any) -> Any:
        try:
            return client.parse_response(client.connection, "BLMPOP", **options)
        except self.connection_errors:  # type: ignore[attr-defined]
            client.connection.disconnect()
            raise
        except redis.exceptions.ResponseError as error:
            if not _is_refused(error):
                raise
            log.info("one message is fetched at a time: %s", error)
            self._fetches_several = False
            return None


class Transport(transport.Transport):
    """The Redis transport with this channel."""

    Channel = Channel


class SentinelChannel(Channel, transport.SentinelChannel):
    """The same channel to Sentinel's master."""

    connection_class = transport.SentinelChannel.connection_class
    connection_class_ssl = transport.SentinelChannel.connection_class_ssl
    from_transport_options = transport.SentinelChannel.from_transport_options


class SentinelTransport(Transport):
    """The Redis transport to Sentinel's master."""

    default_port = transport.SentinelTransport.default_port
    Channel = SentinelChannel
