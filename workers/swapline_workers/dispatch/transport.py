"""kombu's Redis transport, with its crash on reconnect mended and its waste removed.

The crash: a worker that tears its connection down while messages are unacknowledged asks a closed channel for its
connection parameters and dies of an AttributeError; here the question is answered with the ConnectionError that
kombu and Celery recover from. The waste: a new `redis.Redis` for each operation copies some 170 callbacks, a sixth of
the cost of publishing and consuming; here each channel keeps one client (clients are thread-safe and hold no
connection of their own). Its connections are the ledger's (`ledger/primary.py`): a demoted server's refusal is to kombu
the loss of a connection, which it recovers from.

Tested against the kombu release in the lock; a new release means running those tests again. What we override is
private to kombu and not in its type stubs: hence the three exemptions.
"""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import TYPE_CHECKING, Any

import orjson
import redis
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import transport as kombu_transport
from kombu.transport import redis as kombu_redis

from swapline_producer.ledger.primary import (
    PrimaryConnection,
    PrimaryTLSConnection,
    SentinelPrimaryConnection,
    SentinelPrimaryTLSConnection,
)

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

NO_MESSAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What parsing something raises that is not what it should be."""


AT_ONCE = 8
"""Messages fetched in one round trip at most: half of a worker's threads, so that it takes no more than its share. With
one at a time, a server that flushes each pop to the disk gave a worker no more messages than the disk makes flushes."""


def _throw_away(error: Exception) -> None:
    log.error("what lay on a queue is no message and was thrown away: %s", type(error).__name__)


def _not_known(error: redis.exceptions.ResponseError) -> bool:
    return isinstance(error, redis.exceptions.NoPermissionError) or "unknown command" in str(error).lower()


class QoS(kombu_redis.QoS):
    """How many messages more may be read: as kombu counts, and as there is room in this process."""

    channel: Channel

    def can_consume(self) -> bool:
        """Whether one more may."""
        return bool(super().can_consume()) and self.channel.room() != 0

    def can_consume_max_estimate(self) -> int | None:  # type: ignore[override]  # its types forget "no limit"
        """How many more may; None: any number."""
        free: int | None = super().can_consume_max_estimate()
        room = self.channel.room()
        return free if room is None else room if free is None else min(free, room)


class Channel(kombu_redis.Channel):
    """A channel with one client, whose keys all carry the installation's prefix."""

    QoS = QoS
    connection_class: type[redis.Connection] = PrimaryConnection
    connection_class_ssl: type[redis.Connection] = PrimaryTLSConnection

    from_transport_options = (
        *kombu_redis.Channel.from_transport_options,
        "keyprefix_queue",
        "keyprefix_binding_permanent",
        "keyprefix_binding_deadlines",
    )

    straight: Callable[[str, dict[str, Any]], bool] | None = None
    """Takes a message, by its queue, past Celery to a thread; False where it must go Celery's way."""
    room: Callable[[], int | None] = staticmethod(lambda: None)
    """How many messages more this process has room for; None: any number."""

    _shared: redis.Redis | None = None
    _may_ask_several = True
    _asked_several = False

    def _create_client(self, asynchronous: bool = False) -> redis.Redis:  # noqa: FBT002 -- kombu's own signature
        """One client for each pool. The event loop's client is kombu's own affair: it is built once by itself."""
        if asynchronous:
            client: redis.Redis = super()._create_client(asynchronous=True)  # type: ignore[misc]
            return client
        if self._shared is None or self._shared.connection_pool is not self.pool:
            self._shared = super()._create_client()  # type: ignore[misc]
        return self._shared

    heard_by: int | None = None
    """How many clients heard the last message to all (an event); None before the first."""

    def _put_fanout(self, exchange: str, message: Any, routing_key: str, **_options: Any) -> None:
        """Send a message to all who listen, and keep how many they are: `listened.py` asks."""
        payload = orjson.dumps(message)
        with self.conn_or_acquire() as client:
            topics = self._get_publish_topics(exchange, routing_key)  # type: ignore[attr-defined]
            self.heard_by = sum(client.publish(topic, payload) for topic in topics)

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for messages: as many as there are threads to give them to, in one round trip."""
        self._asked_several = self._may_ask_several and self.priority_steps == [0] and not self.global_keyprefix
        if not self._asked_several:
            super()._brpop_start(timeout)  # type: ignore[misc]
            return
        queues = self._queue_cycle.consume(len(self.active_queues))  # type: ignore[attr-defined]
        if not queues:
            return
        free = self.qos.can_consume_max_estimate()
        number = AT_ONCE if free is None else max(1, min(free, AT_ONCE))
        seconds = (self.brpop_timeout if timeout is None else timeout) or 0
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        self._in_poll.send_command("BLMPOP", seconds, len(queues), *queues, "RIGHT", "COUNT", number)

    def _brpop_read(self, **options: Any) -> bool:
        """Read what was asked for. What somebody put on the queue that is no message must not end the worker."""
        if self._asked_several:
            return self._read_several(**options)
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[misc]
        except NO_MESSAGE as error:
            _throw_away(error)
            raise Empty from None

    def _read_several(self, **options: Any) -> bool:
        try:
            found = self._reply(self.client, **options)
            if not found:
                raise Empty
            queue = found[0].decode()
            self._queue_cycle.rotate(queue)  # type: ignore[attr-defined]
            for item in found[1]:
                try:
                    raw = orjson.loads(item)
                    if self.straight is None or not self.straight(queue, raw):
                        self.connection._deliver(raw, queue)  # noqa: SLF001 -- as kombu's own reading does
                except NO_MESSAGE as error:
                    _throw_away(error)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()  # type: ignore[attr-defined]

    def _reply(self, client: Any, **options: Any) -> Any:
        try:
            return client.parse_response(client.connection, "BLMPOP", **options)
        except self.connection_errors:  # type: ignore[attr-defined]
            client.connection.disconnect()
            raise
        except redis.exceptions.ResponseError as error:
            if not _not_known(error):
                raise
            log.info("one message is fetched at a time: %s", error)
            self._may_ask_several = False  # an old server, or a user that may not: it is asked the old way from now on
            return None

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT002 -- kombu's own signature
        if self.connection is None or self.connection.client is None:
            raise redis.exceptions.ConnectionError("this channel has been closed")
        params: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        return params


class Transport(kombu_redis.Transport):
    """The Redis transport with our channel."""

    Channel = Channel


class SentinelChannel(Channel, kombu_redis.SentinelChannel):
    """The same channel to whichever server Sentinel calls the master."""

    connection_class = SentinelPrimaryConnection
    connection_class_ssl = SentinelPrimaryTLSConnection

    from_transport_options = tuple(
        {*Channel.from_transport_options, *kombu_redis.SentinelChannel.from_transport_options}
    )


class SentinelTransport(Transport):
    """The Redis transport to a master that Sentinel finds."""

    default_port = kombu_redis.SentinelTransport.default_port
    Channel = SentinelChannel


def use_ours() -> None:
    """Make ours the transports of `redis://`, `rediss://` and `sentinel://` in this process.

    Naming one in Celery's settings is not enough: on its way to the second sentinel's URL, kombu takes the transport
    that the URL's scheme names; and Flower reads the scheme to know how to ask for the length of a queue.
    """
    for scheme, ours in (("redis", Transport), ("rediss", Transport), ("sentinel", SentinelTransport)):
        kombu_transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{ours.__name__}"
        cache: dict[str, Any] = vars(kombu_transport)["_transport_cache"]  # somebody may have asked for it before
        cache.pop(scheme, None)


class Consumer(CeleryConsumer):
    """Celery's consumer, which asks every two seconds for a server that is away.

    Celery's own waits grow to half a minute, and so long the account would stand idle after the server has come back.
    """

    def create_task_handler(self, *args: Any, **options: Any) -> Any:
        """Celery's own, but for a message in which Celery itself stumbles: it is thrown away instead of ending us."""
        take = super().create_task_handler(*args, **options)

        def taken(message: Any) -> None:
            try:
                take(message)
            except NO_MESSAGE as error:
                log.error("a message that is none was thrown away: %s", type(error).__name__)  # noqa: TRY400 -- as above
                message.ack_log_error(log, self.connection_errors)  # type: ignore[attr-defined]  # it is there

        return taken

    @staticmethod
    def while_waiting() -> None:
        """Called every second while the server is waited for; replaced by whoever wants to know."""

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for the server; gives the connection."""
        ensure_connection = conn.ensure_connection

        def patiently(*args: object, callback: Callable[[], object], **options: object) -> Any:
            def once_a_second() -> None:
                self.while_waiting()
                callback()

            waits = {"interval_start": 1, "interval_step": 0.5, "interval_max": 2}
            return ensure_connection(*args, callback=once_a_second, **options, **waits)

        conn.ensure_connection = patiently
        self.while_waiting()
        return super().ensure_connected(conn)
