"""Each fault of the proxy does what it says, seen from a client and from the server behind it."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from chaos.proxy import Fault, Proxies, Proxy

if TYPE_CHECKING:
    from collections.abc import Generator

ANSWER = b"a reply of some length, so that it has a middle"


class Server:
    """Answers every request it hears with ANSWER, and keeps what it heard."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.hears = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := connection.recv(1000):
                    self.received.append(request)
                    self.hears.set()
                    connection.sendall(ANSWER)
            except OSError:
                return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def server() -> Generator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def hits() -> list[dict[str, object]]:
    return []


@pytest.fixture
def proxy(server: Server, hits: list[dict[str, object]]) -> Generator[Proxy]:
    with Proxies(hits.append) as proxies:
        yield proxies.between("vendor", server.port)


@pytest.fixture
def client(proxy: Proxy) -> Generator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        yield connection


def received(client: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    got = b""
    try:
        while piece := client.recv(1000):
            got += piece
    except ConnectionResetError:
        pass
    return got


def exactly(client: socket.socket, length: int) -> bytes:
    return client.recv(length, socket.MSG_WAITALL)


def test_without_an_order_everything_passes(client: socket.socket, hits: list[dict[str, object]]) -> None:
    client.sendall(b"one")
    assert exactly(client, len(ANSWER)) == ANSWER
    assert hits == []


@pytest.mark.parametrize(
    ("fault", "arrives", "comes_back"),
    [
        (Fault.CUT_BEFORE, False, b""),
        (Fault.CUT_AFTER, True, b""),
        (Fault.CUT_REPLY, True, ANSWER[: len(ANSWER) // 2]),
    ],
)
def test_a_connection_is_cut_where_it_was_ordered(
    proxy: Proxy, server: Server, client: socket.socket, fault: Fault, arrives: bool, comes_back: bytes
) -> None:
    proxy.order(fault, times=1)
    client.sendall(b"one")
    assert received(client) == comes_back
    assert server.received == ([b"one"] if arrives else [])


def test_after_a_half_close_the_request_has_arrived_and_the_client_hears_the_end(
    proxy: Proxy, server: Server, client: socket.socket
) -> None:
    proxy.order(Fault.HALF_CLOSE, times=1)
    client.sendall(b"one")
    assert client.recv(1000) == b""
    assert server.hears.wait(10)


@pytest.mark.parametrize("fault", [Fault.LATENCY, Fault.DRIP])
def test_what_is_slow_arrives_whole(proxy: Proxy, client: socket.socket, fault: Fault) -> None:
    proxy.order(fault, times=1, amount=0.2)
    client.sendall(b"one")
    assert exactly(client, len(ANSWER)) == ANSWER


def test_a_silent_link_passes_nothing_until_it_is_lifted(proxy: Proxy, server: Server, client: socket.socket) -> None:
    order = proxy.order(Fault.SILENCE)
    client.sendall(b"one")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1000)
    assert server.received == []
    proxy.lift(order)
    client.settimeout(20)
    assert exactly(client, len(ANSWER)) == ANSWER


def test_a_reply_is_held_until_it_is_released(proxy: Proxy, server: Server, client: socket.socket) -> None:
    order = proxy.order(Fault.HOLD, b"paid", times=1)
    client.sendall(b"a paid call")
    assert order.replied.wait(10)
    assert server.received == [b"a paid call"]
    proxy.lift(order)
    assert exactly(client, len(ANSWER)) == ANSWER


def test_where_connections_are_refused_nobody_listens_until_it_is_lifted(proxy: Proxy, client: socket.socket) -> None:
    first, second = proxy.order(Fault.REFUSE), proxy.order(Fault.REFUSE)
    assert received(client) == b""
    proxy.lift(first)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    proxy.lift(second)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as again:
        again.sendall(b"two")
        assert exactly(again, len(ANSWER)) == ANSWER


@pytest.mark.usefixtures("client")
def test_a_port_that_is_closed_may_have_lost_a_request_that_was_not_read_yet(
    proxy: Proxy, hits: list[dict[str, object]]
) -> None:
    order = proxy.order(Fault.REFUSE)
    proxy.lift(order)
    assert [(hit["link"], hit["fault"]) for hit in hits] == [("vendor", Fault.REFUSE)]


def test_only_requests_that_match_are_hit_and_each_hit_is_written_down(
    proxy: Proxy, client: socket.socket, hits: list[dict[str, object]]
) -> None:
    proxy.order(Fault.CUT_AFTER, b"paid", times=1)
    client.sendall(b"a poll")
    assert exactly(client, len(ANSWER)) == ANSWER
    client.sendall(b"a paid call")
    assert received(client) == b""
    assert [(hit["link"], hit["fault"], hit["request"]) for hit in hits] == [("vendor", Fault.CUT_AFTER, "a paid call")]
