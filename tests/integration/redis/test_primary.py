"""Clients behind one address leave a server that was demoted: whatever it answers, and whether they write or read."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.retry
from kombu import Connection

from support.redis.fixtures import waited_for
from support.redis.one_address import PASSWORD, OneAddress, admin, one_address
from swapline_producer.errors import LedgerUnavailable
from swapline_producer.ledger import Ledger, connect
from swapline_producer.ledger.primary import WrongServer
from swapline_producer.settings import ProducerSettings
from swapline_workers.dispatch.broker import broker_settings
from swapline_workers.dispatch.transport import Transport
from swapline_workers.local.ports import LOOPBACK, free_port
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

WITHIN = 5.0
"""Seconds from the promotion."""


@pytest.fixture
def address(tmp_path: Path) -> Generator[OneAddress]:
    with one_address(tmp_path) as pair:
        yield pair


@pytest.fixture
def client(address: OneAddress) -> Generator[redis.Redis]:
    with connect(address.url) as opened:
        yield opened


def in_pipeline(client: redis.Redis, *, transaction: bool) -> Any:
    with client.pipeline(transaction=transaction) as pipe:
        pipe.get("x")
        pipe.set("x", "new")
        return pipe.execute()[-1]


WRITES: dict[str, Callable[[redis.Redis], Any]] = {
    "a command": lambda client: client.set("x", "new"),
    "a script": lambda client: client.eval("return redis.call('SET', 'x', 'new')", 0),
    "a pipeline": lambda client: in_pipeline(client, transaction=False),
    "a transaction": lambda client: in_pipeline(client, transaction=True),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_refused_write_is_made_at_the_new_primary(
    address: OneAddress, client: redis.Redis, write: Callable[[redis.Redis], Any]
) -> None:
    client.set("x", "old")
    address.fail_over()
    write(client)
    with admin(address.primary) as new:
        assert new.get("x") == b"new"


def test_one_refusal_closes_all_connections_of_the_process(address: OneAddress, client: redis.Redis) -> None:
    pool: Any = client.connection_pool
    idle, busy = pool.get_connection(), pool.get_connection()
    pool.release(idle)
    with connect(address.url) as another:
        another.get("x")
        address.fail_over()
        client.set("x", "new")
        pool.release(busy)
        assert [one.get("x") for one in (client, another) for _ in range(3)] == ["new"] * 6
        with admin(address.replica) as old:
            left = [one for one in old.client_list() if one["user"] == "default" and one["cmd"] != "client|list"]
    assert [one["id"] for one in left if one["flags"] == "N"] == []


def test_a_reader_is_not_left_with_a_copy_that_is_cut_off(address: OneAddress, client: redis.Redis) -> None:
    client.set("x", "old")
    address.fail_over()
    address.part()
    with admin(address.primary) as new:
        new.set("x", "new")
    began = time.monotonic()
    waited_for(lambda: client.get("x") == "new")
    assert time.monotonic() - began < WITHIN


def test_a_replica_that_will_not_serve_readers_is_left_at_once(address: OneAddress, client: redis.Redis) -> None:
    with admin(address.primary) as old:
        old.config_set("replica-serve-stale-data", "no")
    client.set("x", "value")
    address.fail_over()
    address.part()
    assert client.get("x") == "value"


def test_a_server_that_reads_its_data_after_the_promotion_is_left_at_once(
    address: OneAddress, client: redis.Redis
) -> None:
    with client.pipeline() as pipe:
        for number in range(2000):
            pipe.set(f"key{number}", "x" * 100)
        pipe.execute()
    address.fail_over()
    with admin(address.replica) as old:
        old.config_set("key-load-delay", "2000")  # microseconds for each key
        old.config_set("loading-process-events-interval-bytes", "1024")
        old.replicaof("NO", "ONE")
        old.set("only", "here")  # so that it must take everything anew
        old.replicaof(LOOPBACK, str(address.primary.port))
        waited_for(lambda: old.info("persistence")["loading"] == 1)
        assert client.get("key1") == "x" * 100
        assert old.info("persistence")["loading"] == 1
        old.config_set("key-load-delay", "0")


def test_a_blocked_reader_goes_on_at_the_new_primary(address: OneAddress, client: redis.Redis) -> None:
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(client.blpop(["list"], timeout=8)))
    with admin(address.primary) as old:
        reader.start()
        waited_for(lambda: old.info("clients")["blocked_clients"] == 1)
    address.fail_over()
    client.rpush("list", "message")
    reader.join()
    assert [list(one) for one in found] == [["list", "message"]]


def test_an_address_that_still_leads_to_a_replica_is_tried_again(address: OneAddress, client: redis.Redis) -> None:
    client.set("x", "old")
    address.promote()
    with pytest.raises(WrongServer, match="is a replica"):
        client.set("x", "new")
    mover = threading.Timer(0.2, address.move)
    mover.start()
    assert client.set("x", "new")
    mover.join()


def test_kombu_takes_a_refusal_for_a_lost_connection(address: OneAddress, prefix: str) -> None:
    settings = broker_settings(ProducerSettings(redis_url=address.url, key_prefix=prefix))
    options = settings["broker_transport_options"]
    with Connection(address.url, transport=Transport, transport_options=options) as connection:
        with connection.SimpleQueue(f"{prefix}.q") as queue:
            queue.put(1)
            address.fail_over()
            with pytest.raises(connection.recoverable_connection_errors):
                queue.put(2)
            queue.put(3)
        with admin(address.primary) as new:
            assert new.llen(f"{prefix}.q") == 2


def test_a_unix_socket_is_reached_the_same_way(tmp_path: Path) -> None:
    with (
        EmbeddedValkey(tmp_path / "own", password=PASSWORD, unix_socket=tmp_path / "socket", appendfsync="no"),
        connect(f"unix://:{PASSWORD}@{tmp_path / 'socket'}?db=1") as client,
    ):
        assert client.set("x", "1")
        assert client.client_info()["db"] == 1


def test_a_move_says_that_no_server_listens_after_two_connections_were_tried_thrice_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(redis.retry, "sleep", pauses.append)
    with connect(f"redis://{LOOPBACK}:{free_port()}/0") as client, pytest.raises(LedgerUnavailable):
        Ledger(client).transitions.renew([])
    assert pauses == [0.2, 0.4] * 2
