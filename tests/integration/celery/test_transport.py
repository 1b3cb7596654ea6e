"""What our transport mends in kombu's: shown on both, so that a kombu that no longer needs it is noticed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis
from kombu import Connection, Consumer, Queue

from swapline_producer.settings import ProducerSettings
from swapline_workers.dispatch.broker import broker_settings
from swapline_workers.dispatch.local.channel import Transport

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_producer.ledger import Ledger
    from swapline_workers.local.valkey.server import EmbeddedValkey

STOCK = "kombu.transport.redis:Transport"


@pytest.fixture
def options(valkey: EmbeddedValkey, prefix: str) -> dict[str, Any]:
    settings = broker_settings(ProducerSettings(redis_url=valkey.url, key_prefix=prefix))
    options: dict[str, Any] = settings["broker_transport_options"]
    return options


@pytest.fixture
def connection(valkey: EmbeddedValkey, options: dict[str, Any]) -> Generator[Connection]:
    with Connection(valkey.url, transport=Transport, transport_options=options) as ours:
        yield ours


def torn_down(connection: Connection) -> Any:
    """A channel as a worker has it when it tears its connection down with messages unacknowledged."""
    channel: Any = connection.channel()
    connection.collect()
    return channel


def test_the_stock_transport_dies_of_an_attribute_error_when_it_is_torn_down(
    valkey: EmbeddedValkey, options: dict[str, Any]
) -> None:
    with Connection(valkey.url, transport=STOCK, transport_options=options) as stock, pytest.raises(AttributeError):
        torn_down(stock)._connparams()


def test_ours_says_that_the_connection_is_gone_which_celery_recovers_from(connection: Connection) -> None:
    with pytest.raises(redis.exceptions.ConnectionError, match="closed") as raised:
        torn_down(connection)._connparams()
    assert isinstance(raised.value, connection.recoverable_connection_errors)


def test_a_channel_keeps_one_client(connection: Connection) -> None:
    channel: Any = connection.channel()
    assert channel._create_client() is channel._create_client()


def test_what_one_connection_publishes_another_reads(connection: Connection, prefix: str) -> None:
    with connection.SimpleQueue(f"{prefix}.q") as queue:
        queue.put({"a": 1})
        message = queue.get(timeout=5)
        message.ack()
        assert message.payload == {"a": 1}


@contextmanager
def reading(connection: Connection, prefix: str, *, threads: int) -> Generator[list[Any]]:
    """Consume with at most `threads` unacknowledged messages; yield what was read."""
    read: list[Any] = []
    channel: Any = connection.channel()
    channel.basic_qos(0, threads, apply_global=False)
    queue = Queue(f"{prefix}.q", exchange="", routing_key=f"{prefix}.q")
    with Consumer(channel, [queue], callbacks=[lambda body, _message: read.append(body)], accept=["json"]):
        yield read


def put(connection: Connection, prefix: str, number: int) -> None:
    with connection.SimpleQueue(f"{prefix}.q") as queue:
        for n in range(number):
            queue.put(n)


def test_messages_that_wait_are_fetched_in_one_round_trip(connection: Connection, prefix: str) -> None:
    put(connection, prefix, 5)
    with reading(connection, prefix, threads=16) as read:
        connection.drain_events(timeout=5)
        assert read == [0, 1, 2, 3, 4]


def test_no_more_are_fetched_than_there_are_threads_for(connection: Connection, ledger: Ledger, prefix: str) -> None:
    put(connection, prefix, 5)
    with reading(connection, prefix, threads=3) as read:
        connection.drain_events(timeout=5)
        assert read == [0, 1, 2]
        assert ledger.client.llen(f"{prefix}.q") == 2


@pytest.mark.parametrize("canceled", [True, False])
def test_messages_sent_to_a_channel_that_closes_return_to_their_queue(
    connection: Connection,
    valkey: EmbeddedValkey,
    options: dict[str, Any],
    ledger: Ledger,
    prefix: str,
    *,
    canceled: bool,
) -> None:
    with Connection(valkey.url, transport=Transport, transport_options=options) as other, connection as closing:
        channel: Any = closing.channel()
        consumer = Consumer(channel, [Queue(f"{prefix}.q", exchange="", routing_key=f"{prefix}.q")], accept=["json"])
        consumer.register_callback(lambda *_: None)
        consumer.consume()
        with pytest.raises(TimeoutError):
            closing.drain_events(timeout=0.1)  # leaves its command at the server
        put(other, prefix, 3)
        if canceled:
            consumer.cancel()
        channel.close()
    assert ledger.client.llen(f"{prefix}.q") == 3


def test_what_is_no_message_takes_no_other_with_it(connection: Connection, ledger: Ledger, prefix: str) -> None:
    put(connection, prefix, 1)
    ledger.client.lpush(f"{prefix}.q", "{", "[]", '"text"')
    put(connection, prefix, 1)
    with reading(connection, prefix, threads=16) as read:
        connection.drain_events(timeout=5)
        assert read == [0, 0]


def test_a_server_that_lets_us_fetch_one_at_a_time_is_asked_for_one_at_a_time(
    valkey: EmbeddedValkey, ledger: Ledger, options: dict[str, Any], prefix: str
) -> None:
    ledger.client.acl_setuser(
        prefix, enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], commands=["+@all", "-blmpop"]
    )
    url = f"redis://{prefix}:secret@127.0.0.1:{valkey.port}/0"
    with Connection(url, transport=Transport, transport_options=options) as narrow:
        put(narrow, prefix, 2)
        with reading(narrow, prefix, threads=16) as read:
            for _ in range(2):
                narrow.drain_events(timeout=5)
            assert read == [0, 1]
