"""A total deadline over real sockets: what `requests` cannot bound by itself."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import requests

from support.http.raw_server import Caller, RawServer, free_port, reply, server_tls, unreachable_port
from swapline_workers.adapters.http.connections.watchdog import Deadline, DeadlineExceeded, Stage, limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = 0.2  # seconds: long enough for a loopback connection on a busy machine, short enough for a test
SOON = 3.0  # seconds: what SHORT may become on a busy machine, and still far below the timeouts given
PATIENT = (10, 10)  # the timeouts given to requests: they must not be what ends a call here


def _ends_soon(session: requests.Session, url: str) -> Deadline:
    """Make a call that must end by its deadline; what comes of it does not matter here."""
    began = time.monotonic()
    with limit(SHORT) as deadline, suppress(requests.RequestException):
        session.post(url, data=b"{}", timeout=PATIENT)
    assert time.monotonic() - began < SOON
    return deadline


def _drip_header(caller: Caller) -> None:
    caller.read_request()
    caller.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: and slower\r\n" * 100)


def _drip_body(caller: Caller) -> None:
    caller.read_request()
    caller.send(b"HTTP/1.1 200 OK\r\n\r\n")
    caller.drip(b"x" * 2000)


@pytest.mark.parametrize("script", [_drip_header, _drip_body, Caller.hold])
def test_a_reply_that_never_ends_is_cut_at_the_deadline(
    session: requests.Session, script: Callable[[Caller], object]
) -> None:
    with RawServer(script) as server:
        assert _ends_soon(session, server.url).fired


@pytest.mark.parametrize("script", [_drip_header, _drip_body, Caller.hold])
def test_the_same_holds_under_tls(
    session: requests.Session, script: Callable[[Caller], object], tmp_path: Path
) -> None:
    context, trusted = server_tls(tmp_path)
    with RawServer(script, context) as server:
        session.verify = str(trusted)
        deadline = _ends_soon(session, server.url)
    assert deadline.fired
    assert deadline.stage is Stage.SENDING


def test_a_header_that_was_cut_off_looks_like_a_good_reply_and_only_the_deadline_tells(
    session: requests.Session,
) -> None:
    with RawServer(_drip_header) as server, limit(SHORT * 2) as deadline:
        # Without its body: that is read to the end of the connection, or to its reset, whichever comes first. On a busy
        # machine the reset comes before the header is read, too.
        with suppress(requests.ConnectionError), session.post(server.url, timeout=PATIENT, stream=True) as response:
            assert response.status_code == 200
        with pytest.raises(DeadlineExceeded):
            deadline.check()


def test_a_connection_that_was_kept_alive_comes_under_the_next_deadline(session: requests.Session) -> None:
    def first_well_then_slowly(caller: Caller) -> None:
        caller.read_request()
        caller.send(reply(b"{}"))
        _drip_header(caller)

    with RawServer(first_well_then_slowly) as server:
        with limit(SOON) as deadline:
            assert session.post(server.url, data=b"{}", timeout=PATIENT).content == b"{}"
            assert not deadline.fired
        assert _ends_soon(session, server.url).fired
        assert server.calls == 1


def test_a_deadline_that_has_ended_leaves_the_kept_connection_alone(session: requests.Session) -> None:
    def well_for_ever(caller: Caller) -> None:
        while caller.read_request():
            caller.send(reply(b"{}"))

    with RawServer(well_for_ever) as server:
        with limit(SHORT) as deadline:
            session.post(server.url, data=b"{}", timeout=PATIENT)
        with limit(SHORT * 2) as later:
            wait_until_fired(later)  # the watchdog has passed the first deadline's time
        assert not deadline.fired
        session.post(server.url, data=b"{}", timeout=PATIENT)
        assert server.calls == 1


def test_connecting_is_bounded(session: requests.Session) -> None:
    with unreachable_port() as port:
        deadline = _ends_soon(session, f"http://127.0.0.1:{port}")
    assert deadline.stage is Stage.CONNECTING


def test_a_tls_handshake_that_never_ends_is_cut_and_nothing_was_sent(session: requests.Session) -> None:
    with RawServer(Caller.hold) as server:
        deadline = _ends_soon(session, f"https://127.0.0.1:{server.port}")
    assert deadline.fired
    assert deadline.stage is Stage.CONNECTING


def test_every_address_of_a_name_is_tried(session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(lambda caller: caller.send(reply(caller.read_request()[:4]))) as server:
        answers = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (free_port(), server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: answers)
        with limit(SOON):
            assert session.post(f"http://two.test:{server.port}", data=b"{}", timeout=PATIENT).content == b"POST"


def test_a_refused_connection_sent_nothing(session: requests.Session) -> None:
    with limit(SOON) as deadline, pytest.raises(requests.ConnectionError):
        session.post(f"http://127.0.0.1:{free_port()}", data=b"{}", timeout=PATIENT)
    assert deadline.stage is Stage.CONNECTING


def test_a_name_that_cannot_be_one_sent_nothing(session: requests.Session) -> None:
    with limit(SOON) as deadline, pytest.raises(requests.RequestException):
        session.post("http://a..b/", data=b"{}", timeout=PATIENT)
    assert deadline.stage is Stage.CONNECTING


def test_a_lost_reply_is_not_asked_for_again(session: requests.Session) -> None:
    with (
        RawServer(lambda caller: caller.read_request()) as server,
        limit(SOON) as deadline,
        pytest.raises(requests.ConnectionError),
    ):
        session.post(server.url, data=b"{}", timeout=PATIENT)
    assert deadline.stage is Stage.SENDING
    assert server.calls == 1


def test_without_a_deadline_the_adapter_is_an_ordinary_one(session: requests.Session) -> None:
    with RawServer(lambda caller: caller.send(reply(caller.read_request()[:4]))) as server:
        assert session.post(server.url, data=b"{}", timeout=PATIENT).content == b"POST"


def wait_until_fired(deadline: Deadline) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline.watch(ours)
        assert theirs.recv(1) == b""


def test_the_inner_of_two_deadlines_falls_under_the_outer_one() -> None:
    with limit(SHORT) as outer, limit(60) as inner:
        assert inner.remaining <= SHORT
        wait_until_fired(inner)
        assert inner.fired
        assert outer.fired
        with pytest.raises(DeadlineExceeded):
            inner.check()


def test_a_socket_that_comes_after_the_end_of_time_is_shut_down_at_once() -> None:
    with limit(0) as deadline:
        wait_until_fired(deadline)
        wait_until_fired(deadline)
    assert deadline.fired


def test_a_descriptor_number_that_was_given_to_somebody_else_is_not_hit() -> None:
    deadline = Deadline(60)
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    deadline.watch(ours)
    unused, other = socket.socketpair()
    with theirs, unused, other:
        ours.close()
        stranger = socket.socket(fileno=socket.dup(unused.fileno()))
        with stranger:
            assert stranger.fileno() == number
            deadline.fire()
            stranger.sendall(b"alive")
            assert other.recv(5) == b"alive"
            assert theirs.recv(1) == b""
    deadline.end()


def test_one_thread_watches_all_calls_of_a_process() -> None:
    for _ in range(20):
        with limit(60):
            pass
    assert [thread.name for thread in threading.enumerate()].count("swapline-watchdog") == 1


def test_an_earlier_deadline_overtakes_a_later_one() -> None:
    with limit(60):
        began = time.monotonic()
        with limit(SHORT) as earlier:
            wait_until_fired(earlier)
        assert time.monotonic() - began < SOON


FORKING = """
import os, socket
from swapline_workers.adapters.http.connections.watchdog import limit

def fires():
    ours, theirs = socket.socketpair()
    with limit(0.05) as deadline:
        deadline.watch(ours)
        theirs.settimeout(20)
        return theirs.recv(1) == b"" and deadline.fired

assert fires()
child = os.fork()
if child == 0:
    os._exit(0 if fires() else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_has_a_watchdog_of_its_own() -> None:
    # The warning of Python 3.12 about forking with threads is right in general; here it is what is tested.
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING], check=True, timeout=60)
