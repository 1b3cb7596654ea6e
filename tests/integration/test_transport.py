"""What our transport mends in kombu's: shown on both, so that a kombu that no longer needs it is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
from kombu import Connection

from swapline_producer.broker import broker_settings
from swapline_producer.settings import ProducerSettings
from swapline_workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_workers.local.valkey import EmbeddedValkey

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
