"""The vendor client against what can happen below HTTP: bytes that are late, wrong, missing or too many."""

from __future__ import annotations

import gc
import re
import socket
import threading
import time
import warnings
from typing import TYPE_CHECKING

import pytest

from support.http.raw_server import Caller, RawServer, free_port, reply, server_tls, unreachable_port
from support.pictures.pngs import png
from support.vendor.client import KEY, PICTURE, V6, all_texts, client, completed, spec
from swapline_workers.errors import NotSent, OutputInvalid, Unclear, VendorError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACCEPTED = reply(b'{"id": "job-1", "status": "IN_QUEUE"}')
PENDING = reply(b'{"id": "job-1", "status": "IN_PROGRESS"}')
DONE = reply(completed(PICTURE, id="job-1"))
SHORT = 0.25  # seconds: a deadline that a loopback call keeps easily, and that a test can wait for
SOON = 4.0  # seconds: what SHORT may become on a busy machine
MEGABYTES = "A" * 8_000_000  # more than the buffers of two sockets hold


def _says(*answers: bytes) -> Callable[[Caller], None]:
    """Answer each request of a connection with the next of these, then hang up."""

    def script(caller: Caller) -> None:
        for answer in answers:
            if not caller.read_request():
                return
            caller.send(answer)

    return script


def _submitted(script: Callable[[Caller], object], image: str = "QUFB", **more: object) -> tuple[VendorError, int]:
    """Submit to such a server; give the error, and how many connections were made."""
    began = time.monotonic()
    with RawServer(script) as server, pytest.raises(VendorError) as error:
        client(server.url, **more).submit(spec(), image)
    assert time.monotonic() - began < SOON
    assert KEY not in all_texts(error.value)
    return error.value, server.calls


# Connections


def test_every_submission_has_a_connection_of_its_own_even_if_the_vendor_keeps_it() -> None:
    with RawServer(_says(ACCEPTED, ACCEPTED, ACCEPTED)) as server:
        vendor = client(server.url)
        for _ in range(3):
            vendor.submit(spec(), "QUFB")
        assert server.calls == 3


def test_polls_share_a_connection() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    body = completed(PICTURE, id="job-1")
    with RawServer(_says(PENDING, DONE, chunked % (len(body), body), reply(b"{}", "404 Not Found"), PENDING)) as server:
        vendor = client(server.url)
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.status == "IN_PROGRESS"
        for _ in range(2):
            with vendor.poll("job-1", V6) as status_reply:
                assert status_reply.pictures() == [PICTURE]
        with pytest.raises(VendorError), vendor.poll("job-1", V6):
            pass
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.status == "IN_PROGRESS"
        assert server.calls == 1


def test_a_poll_that_leaves_its_pictures_unread_leaves_no_connection_half_read() -> None:
    big = completed(png(1200, 400), id="job-1")
    with RawServer(_says(reply(big), PENDING)) as server:
        vendor = client(server.url)
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.status == "COMPLETED"
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.status == "COMPLETED"
        assert server.calls == 2


def test_a_kept_connection_that_the_vendor_closed_is_opened_anew() -> None:
    with RawServer(_says(PENDING)) as server:
        vendor = client(server.url)
        with vendor.poll("job-1", V6):
            pass
        server.wait_until_quiet()
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.status == "IN_PROGRESS"
        assert server.calls == 2


def test_each_thread_polls_over_its_own_connection() -> None:
    with RawServer(_says(PENDING, PENDING)) as server:
        vendor = client(server.url)

        def poll_twice() -> None:
            for _ in range(2):
                with vendor.poll("job-1", V6):
                    pass

        threads = [threading.Thread(target=poll_twice) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.calls == 3


# Never sent


def test_a_refused_connection_is_not_sent() -> None:
    with pytest.raises(NotSent, match="Connection refused"):
        client(f"http://127.0.0.1:{free_port()}").submit(spec(), "QUFB")


def test_a_connection_that_is_not_answered_is_not_sent() -> None:
    with unreachable_port() as port, pytest.raises(NotSent):
        client(f"http://127.0.0.1:{port}", connect_timeout=SHORT).submit(spec(), "QUFB")


def test_a_deadline_that_passes_while_connecting_is_not_sent() -> None:
    with unreachable_port() as port, pytest.raises(NotSent):
        client(f"http://127.0.0.1:{port}", submit_timeout=SHORT).submit(spec(), "QUFB")


def test_a_name_that_nobody_knows_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotSent, match="Name or service not known"):
        client("http://vendor.test").submit(spec(), "QUFB")


def test_a_certificate_that_is_not_trusted_is_not_sent(tmp_path: Path) -> None:
    context, _ = server_tls(tmp_path)
    with RawServer(_says(ACCEPTED), context) as server, pytest.raises(NotSent, match="certificate verify failed"):
        client(server.url).submit(spec(), "QUFB")


def test_a_certificate_that_is_trusted_lets_the_call_through(tmp_path: Path) -> None:
    context, trusted = server_tls(tmp_path)
    with RawServer(_says(ACCEPTED), context) as server:
        assert client(server.url, trust=str(trusted)).submit(spec(), MEGABYTES).vendor_job_id == "job-1"
    with RawServer(_says(DONE, PENDING), context) as server:
        vendor = client(server.url, trust=str(trusted))
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.pictures() == [PICTURE]
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.status == "IN_PROGRESS"
        assert server.calls == 1


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28"])
def test_a_tls_handshake_that_fails_is_not_sent(data: bytes) -> None:
    with RawServer(lambda caller: caller.send(data)) as server, pytest.raises(NotSent):
        client(server.url.replace("http", "https")).submit(spec(), "QUFB")


def test_a_tls_handshake_that_never_ends_is_not_sent() -> None:
    with RawServer(Caller.hold) as server, pytest.raises(NotSent):
        client(server.url.replace("http", "https"), submit_timeout=SHORT).submit(spec(), "QUFB")


def test_a_tls_handshake_that_is_reset_is_not_sent() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # ssl itself leaves such a socket to the garbage collector
        with RawServer(Caller.reset) as server, pytest.raises(NotSent):
            client(server.url.replace("http", "https")).submit(spec(), "QUFB")
        gc.collect()


# Lost replies


def _drip(head: bytes, drops: bytes) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        caller.read_request()
        caller.send(head)
        caller.drip(drops)

    return script


def _silent(caller: Caller) -> None:
    caller.read_request()
    caller.hold()


def _flood(caller: Caller) -> None:
    caller.read_request()
    while True:
        caller.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


ENDLESS: dict[str, Callable[[Caller], object]] = {
    "silence": _silent,
    "a header that drips": _drip(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 2000),
    "a body that drips": _drip(b'HTTP/1.1 200 OK\r\n\r\n{"id": "', b"x" * 2000),
    "an error that drips": _drip(b"HTTP/1.1 422 No\r\nContent-Length: 2000\r\n\r\n", b"x" * 2000),
    "a redirect that drips": _drip(b"HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 2000\r\n\r\n", b"x" * 2000),
    "continue, for ever": _flood,
    "unread": Caller.hold,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_submission_ends_at_its_deadline_whatever_drips(name: str) -> None:
    error, calls = _submitted(ENDLESS[name], MEGABYTES if name == "unread" else "QUFB", submit_timeout=SHORT)
    assert type(error) is Unclear
    assert calls == 1


@pytest.mark.parametrize("name", [name for name in ENDLESS if name != "unread"])
def test_a_poll_ends_at_its_deadline_whatever_drips(name: str) -> None:
    began = time.monotonic()
    with (
        RawServer(ENDLESS[name]) as server,
        pytest.raises(Unclear),
        client(server.url, status_timeout=SHORT).poll("job-1", V6),
    ):
        pass
    assert time.monotonic() - began < SOON


def _reset_after(data: bytes, read: int = 65536) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        caller.sock.recv(read)
        caller.send(data)
        caller.reset()

    return script


def _closes(data: bytes) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        caller.read_request()
        caller.send(data)

    return script


BROKEN: dict[str, Callable[[Caller], object]] = {
    "closed without a word": _closes(b""),
    "reset without a word": _reset_after(b""),
    "a status line cut short": _closes(b"HTTP/1.1 20"),
    "a header cut short": _closes(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a header cut short after its length": _closes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"),
    "a body cut short": _closes(ACCEPTED[:-10]),
    "a body cut short without a length": _closes(b'HTTP/1.1 200 OK\r\n\r\n{"id": "job'),
    "a chunk cut short": _closes(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"id": "job'),
    "a chunk that is none": _closes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "two lengths": _closes(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{"id": 1}'),
    "a length that is too small": _closes(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"id": 1}'),
    "no HTTP": _closes(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a status of four digits": _closes(b"HTTP/1.1 2000 OK\r\n\r\n{}"),
    "a status without digits": _closes(b"HTTP/1.1 OK\r\n\r\n{}"),
    "another protocol": _closes(b"HTTP/9.9 200 OK\r\n\r\n{}"),
    "a header line too long": _closes(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n{}"),
    "too many headers": _closes(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n{}"),
    "no content": _closes(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "switching protocols": _closes(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    "gzip that is none": _closes(reply(b'{"id": 1}', "200 OK", "Content-Encoding: gzip")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reply_to_a_submission_is_unclear_and_it_is_sent_once(name: str) -> None:
    error, calls = _submitted(BROKEN[name])
    assert type(error) is Unclear
    assert calls == 1


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reply_to_a_poll_is_no_news(name: str) -> None:
    with RawServer(BROKEN[name]) as server, pytest.raises(Unclear), client(server.url).poll("job-1", V6):
        pass


def test_a_submission_that_is_reset_in_its_middle_is_unclear() -> None:
    error, calls = _submitted(_reset_after(b"", 10), MEGABYTES)
    assert type(error) is Unclear
    assert calls == 1


def test_an_answer_before_the_whole_request_was_read_counts() -> None:
    def answers_early(caller: Caller) -> None:
        caller.sock.recv(10)
        caller.send(reply(b'{"error": "INVALID_IMAGE"}', "400 Bad Request"))
        caller.swallow()

    error, _ = _submitted(answers_early, MEGABYTES)
    assert getattr(error, "code", None) == "INVALID_IMAGE"


def test_an_id_that_arrived_counts_although_the_reply_does_not_end() -> None:
    with RawServer(_drip(ACCEPTED.replace(b"Length: 37", b"Length: 99"), b" " * 2000)) as server:
        assert client(server.url, submit_timeout=SHORT).submit(spec(), "QUFB").vendor_job_id == "job-1"


def test_megabytes_may_take_longer_to_send_than_to_connect() -> None:
    waited = threading.Event()

    def reads_late(caller: Caller) -> None:
        caller.sock.recv(10)
        waited.wait(SHORT * 2)
        caller.swallow(len(MEGABYTES))
        caller.send(ACCEPTED)

    with RawServer(reads_late) as server:
        vendor = client(server.url, connect_timeout=SHORT)
        assert vendor.submit(spec(), MEGABYTES).vendor_job_id == "job-1"


# Held looks and early news


def test_completed_is_known_while_the_picture_is_still_held_back() -> None:
    seen = threading.Event()
    body = completed(PICTURE, id="job-1")

    def script(caller: Caller) -> None:
        caller.read_request()
        caller.send(reply(body)[: -len(body) + 60])
        assert seen.wait(20)
        caller.send(body[60:])

    with RawServer(script) as server, client(server.url).poll("job-1", V6) as status_reply:
        assert status_reply.status == "COMPLETED"
        seen.set()
        assert status_reply.pictures() == [PICTURE]


def test_a_call_that_is_held_says_how_long_also_when_its_header_comes_at_once() -> None:
    def script(caller: Caller) -> None:
        caller.read_request()
        caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
        caller.drip(b"          ")
        caller.send(b'{"status": "IN_PROGRESS"}     ')

    with RawServer(script) as server, client(server.url).poll("job-1", V6) as status_reply:
        assert status_reply.answered_after > 0.15  # ten blanks, 20 ms each


def test_pictures_that_drip_are_given_up_in_ten_times_that_time() -> None:
    with (
        RawServer(_drip(DONE[:200], DONE[200:])) as server,
        client(server.url, status_timeout=SHORT / 2).poll("job-1", V6) as status_reply,
    ):
        assert status_reply.status == "COMPLETED"
        began = time.monotonic()
        with pytest.raises(Unclear, match=re.escape(f"within {5 * SHORT:g} s")):
            status_reply.pictures()
    assert 5 * SHORT <= time.monotonic() - began < SOON


def test_what_never_ends_is_given_up_at_64_mib() -> None:
    def endless(caller: Caller) -> None:
        caller.read_request()
        caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n")
        caller.send(b'{"id": "job-1", "status": "COMPLETED", "output": {"images": "')
        while True:
            caller.send(b"A" * 1_000_000)

    with (
        RawServer(endless) as server,
        client(server.url).poll("job-1", V6) as status_reply,
        pytest.raises(OutputInvalid),
    ):
        status_reply.pictures()


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    whole = b"HTTP/1.0 200 OK\r\n\r\n" + completed(PICTURE, id="job-1")
    with RawServer(_closes(whole)) as server, client(server.url).poll("job-1", V6) as status_reply:
        assert status_reply.pictures() == [PICTURE]


# Pictures on a slow line


LARGE = reply(completed(png(64, 64), id="job-1"))


@pytest.mark.parametrize("tls", [False, True])
def test_pictures_that_come_steadily_may_take_longer_than_a_status_call(tmp_path: Path, *, tls: bool) -> None:
    context, trust = server_tls(tmp_path) if tls else (None, None)

    def slowly(caller: Caller) -> None:
        caller.read_request()
        for start in range(0, len(LARGE), 5000):
            caller.send(LARGE[start : start + 5000])
            caller.hold(SHORT)

    assert len(LARGE) > 3 * 5000
    with RawServer(slowly, context) as server:
        vendor = client(server.url, status_timeout=2 * SHORT, trust=trust)
        with vendor.poll("job-1", V6) as status_reply:
            assert status_reply.pictures() == [png(64, 64)]
