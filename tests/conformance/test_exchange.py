"""Calls straight on the socket, beside the library's own way over the same real connections."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from urllib3.connectionpool import HTTPConnectionPool

from support.http.raw_server import Caller, RawServer, reply, server_tls
from swapline_workers.adapters.http.calls import post
from swapline_workers.adapters.http.connections.watchdog import limit
from swapline_workers.adapters.http.deadline import DeadlineAdapter, DeadlineHTTPPool
from swapline_workers.adapters.http.exchange import PlainReply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENT = (10.0, 10.0)
MEGABYTES = bytes(range(256)) * 16_384


def _answers(answer: bytes, *, times: int = 1) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        for _ in range(times):
            if not caller.read_request():
                return
            caller.send(answer)

    return script


def _fields(request: bytes) -> tuple[bytes, set[bytes], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, set(lines), body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
@pytest.mark.parametrize("body", [None, b"", b'{"a": 1}', MEGABYTES])
@pytest.mark.parametrize("path", ["/a/b", "/a?b=c", ""])
def test_a_request_is_the_one_that_the_library_would_send(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, host: str, body: bytes | None, path: str
) -> None:
    seen: list[bytes] = []

    def note(caller: Caller) -> None:
        while request := caller.read_request():
            seen.append(request)
            caller.send(reply(b""))

    with RawServer(note) as server:
        for _ in range(2):
            url = f"http://{host}:{server.port}{path}"
            post(session, url, data=body, headers={"X-Key": "k"}, timeout=PATIENT).close()
            monkeypatch.setattr(DeadlineHTTPPool, "urlopen", HTTPConnectionPool.urlopen)
    assert _fields(seen[0]) == _fields(seen[1])


REPLIES = {
    "plain": reply(b"hello"),
    "empty": reply(b""),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "megabytes": reply(MEGABYTES),
    "an error": reply(b"no", "500 Oh"),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "an older version": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"hello"),
    "closing": reply(b"hello", "200 OK", "Connection: close"),
    "headers of one name": reply(b"hello", "200 OK", "Set-Cookie: a=b", "Set-Cookie: c=d"),
    "folded": reply(b"hello", "200 OK", "X: a\r\n b"),
    "a long header": reply(b"hello", "200 OK", "X: " + "y" * 20_000),
}


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("pause", [False, True])
def test_a_reply_is_the_one_that_the_library_would_give(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, name: str, *, pause: bool
) -> None:
    def script(caller: Caller) -> None:
        caller.read_request()
        at = len(REPLIES[name]) // 2 if pause else 0
        caller.send(REPLIES[name][:at])
        caller.hold(0.02 * pause)
        caller.send(REPLIES[name][at:])

    found: list[tuple[Any, ...]] = []
    with RawServer(script) as server:
        for _ in range(2):
            with limit(10):
                got = post(session, server.url, data=b"{}", timeout=PATIENT)
                found.append((got.status_code, got.reason, dict(got.headers.lower_items()), got.content))
            server.wait_until_quiet()
            monkeypatch.setattr(DeadlineHTTPPool, "urlopen", HTTPConnectionPool.urlopen)
    assert found[0] == found[1]


BROKEN = {
    "closed": b"",
    "a cut status": b"HTTP/1.1 2",
    "a cut body": reply(b"hello")[:-1],
    "a cut body of megabytes": reply(MEGABYTES)[:-1],
    "a cut chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "no HTTP": b"220 smtp.example.com ESMTP\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_reply_is_the_error_that_the_library_would_raise(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    found: list[type[BaseException]] = []
    with RawServer(_answers(BROKEN[name])) as server:
        for _ in range(2):
            with limit(10), pytest.raises(requests.RequestException) as error:
                _ = post(session, server.url, data=b"{}", timeout=PATIENT).content
            found.append(type(error.value))
            server.wait_until_quiet()
            monkeypatch.setattr(DeadlineHTTPPool, "urlopen", HTTPConnectionPool.urlopen)
        assert server.calls == 2
    assert found[0] is found[1]


def test_a_reply_in_pieces_is_whole(session: requests.Session) -> None:
    whole = reply(b"hello, world")
    cuts = range(1, len(whole), 8)

    def piecewise(caller: Caller) -> None:
        for at in cuts:
            caller.read_request()
            caller.send(whole[:at])
            caller.hold(0.002)
            caller.send(whole[at:])

    with RawServer(piecewise) as server:
        for _ in cuts:
            with limit(10):
                assert post(session, server.url, timeout=PATIENT).content == b"hello, world"
        assert server.calls == 1


def test_who_says_more_than_he_promised_is_not_asked_again_on_that_connection(session: requests.Session) -> None:
    forged = reply(b"ok") + reply(b"forged")
    with RawServer(_answers(forged, times=2)) as server:
        for _ in range(2):
            with limit(10):
                assert post(session, server.url, timeout=PATIENT).content == b"ok"
        assert server.calls == 2


def test_a_reply_left_half_read_takes_its_connection_with_it(session: requests.Session) -> None:
    with RawServer(_answers(reply(MEGABYTES), times=2)) as server:
        for _ in range(2):
            with limit(10):
                got = post(session, server.url, timeout=PATIENT)
                assert isinstance(got.raw, PlainReply)
                assert got.raw.read(10) == MEGABYTES[:10]
                got.close()
        assert server.calls == 2


@pytest.mark.parametrize("tls", [False, True])
def test_megabytes_come_and_go_on_one_connection(session: requests.Session, tmp_path: Path, *, tls: bool) -> None:
    context, trusted = server_tls(tmp_path)
    with RawServer(_answers(reply(MEGABYTES), times=3), context if tls else None) as server:
        session.verify = str(trusted)
        for _ in range(3):
            with limit(10):
                got = post(session, server.url + "/a", data=MEGABYTES, timeout=PATIENT)
                assert type(got.raw) is PlainReply
                assert got.raw.read() == MEGABYTES
        assert server.calls == 1


def test_without_a_deadline_the_timeout_of_the_call_holds(session: requests.Session) -> None:
    with RawServer(Caller.hold) as server, pytest.raises(requests.ReadTimeout):
        post(session, server.url, timeout=(5.0, 0.1))


def test_a_reader_of_megabytes_is_woken_by_its_deadline(session: requests.Session) -> None:
    cut = reply(MEGABYTES)[:-100]

    def script(caller: Caller) -> None:
        caller.read_request()
        caller.send(cut)
        caller.hold()

    began = time.monotonic()
    with RawServer(script) as server, limit(0.3) as deadline, pytest.raises(requests.RequestException):
        _ = post(session, server.url, timeout=PATIENT).content
    assert deadline.fired
    assert time.monotonic() - began < 4.0


def test_the_pool_of_one_origin_is_not_the_pool_of_another(session: requests.Session, tmp_path: Path) -> None:
    context, trusted = server_tls(tmp_path)
    seen: list[str] = []

    def named(name: str) -> Callable[[Caller], None]:
        def script(caller: Caller) -> None:
            while caller.read_request():
                seen.append(name)
                caller.send(reply(b""))

        return script

    with RawServer(named("one")) as one, RawServer(named("two")) as two, RawServer(named("tls"), context) as secure:
        for server in (one, two, one, secure, two, secure):
            session.verify = str(trusted)
            with limit(10):
                post(session, f"{server.url}/a", timeout=PATIENT).close()
        session.verify = True
        with limit(10), pytest.raises(requests.exceptions.SSLError):
            post(session, f"{secure.url}/a", timeout=PATIENT)
        session.close()
        with limit(10):
            post(session, f"{two.url}/a", timeout=PATIENT).close()
    assert seen == ["one", "two", "one", "tls", "two", "tls", "two"]


def test_sixteen_threads_do_not_receive_each_others_replies() -> None:
    def echo(caller: Caller) -> None:
        while request := caller.read_request():
            caller.send(reply(request.partition(b"\r\n\r\n")[2] * 1000))

    wrong: list[bytes] = []

    def ask(number: int) -> None:
        with requests.Session() as session:
            session.mount("http://", DeadlineAdapter())
            for version in range(20):
                word = b"%02d-%02d;" % (number, version)
                with limit(20):
                    got = post(session, server.url, data=word, timeout=PATIENT).content
                if got != word * 1000:
                    wrong.append(word)

    with RawServer(echo) as server:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
