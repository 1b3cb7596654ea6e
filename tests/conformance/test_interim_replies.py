"""Replies before, behind and instead of the final one: what an HTTP/1.1 client must pass over, and what it must not.

Source: RFC 9110, 15.2 (interim replies), and RFC 9112, 6.3 (where a reply ends).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from support.http.raw_server import Caller, RawServer, reply, server_tls
from support.jobs.deliveries import EVENT
from support.vendor.client import PICTURE, V6, client, completed, spec
from swapline_producer.webhooks.signing import new_secret
from swapline_workers.adapters.http.calls import post
from swapline_workers.adapters.http.connections.watchdog import limit
from swapline_workers.adapters.http.replies.unusual_reply import INTERIM_BYTES, INTERIM_LIMIT
from swapline_workers.adapters.webhook import WebhookSender
from swapline_workers.errors import Unclear, WebhookFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

PATIENT = (10.0, 10.0)
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nLink: </a.js>; rel=preload\r\n\r\n"
INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": PROCESSING,
    "103": HINTS,
    "104": b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /uploads/1\r\n\r\n",
    "199": b"HTTP/1.1 199 Odd\r\nContent-Length: 5\r\n\r\n",
    "several": PROCESSING * 3 + HINTS + PROCESSING,
}
ACCEPTED = reply(b'{"id": "job-abc-123", "status": "IN_QUEUE"}')
PENDING = reply(b'{"id": "job-abc-123", "status": "IN_PROGRESS"}')
DONE = reply(completed(PICTURE))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


def _together(caller: Caller, interim: bytes, final: bytes) -> None:
    caller.send(interim + final)


def _apart(caller: Caller, interim: bytes, final: bytes) -> None:
    for line in interim.splitlines(keepends=True):
        caller.send(line)
        caller.hold(0.01)
    caller.send(final)


def _torn(caller: Caller, interim: bytes, final: bytes) -> None:
    """The cut falls into the interim reply, and the final one comes with its end."""
    caller.send(interim[:12])
    caller.hold(0.02)
    caller.send(interim[12:] + final)


WAYS = [_together, _apart, _torn]


def _answers(way: Callable[[Caller, bytes, bytes], None], interim: bytes, *finals: bytes) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        for final in finals:
            if not caller.read_request():
                return
            way(caller, interim, final)

    return script


def _always(answer: bytes) -> Callable[[Caller], None]:
    """Return a server that answers each request with these bytes."""

    def script(caller: Caller) -> None:
        while caller.read_request():
            caller.send(answer)

    return script


def _sender(**more: Any) -> WebhookSender:
    return WebhookSender(secrets=[SecretStr(new_secret())], allow_private=True, **{"timeout": 10.0, **more})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", INTERIM)
def test_a_submission_has_the_final_reply(name: str, way: Callable[[Caller, bytes, bytes], None]) -> None:
    with RawServer(_answers(way, INTERIM[name], ACCEPTED)) as server:
        assert client(server.url).submit(spec(), "QUFB").vendor_job_id == "job-abc-123"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", INTERIM)
def test_polls_have_the_final_replies_each_its_own_on_one_connection(
    name: str, way: Callable[[Caller, bytes, bytes], None]
) -> None:
    with RawServer(_answers(way, INTERIM[name], PENDING, DONE, PENDING)) as server:
        vendor, seen = client(server.url), []
        for _ in range(3):
            with vendor.poll("job-abc-123", V6) as status_reply:
                seen.append(status_reply.status)
                if status_reply.status == "COMPLETED":
                    assert status_reply.pictures() == [PICTURE]
        assert seen == ["IN_PROGRESS", "COMPLETED", "IN_PROGRESS"]
        assert server.calls == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", INTERIM)
def test_webhooks_have_the_final_replies(name: str, way: Callable[[Caller, bytes, bytes], None]) -> None:
    finals = [reply(b"ok", "200 OK"), reply(b"no", "500 Oh"), reply(b"ok", "202 Accepted")]
    with RawServer(_answers(way, INTERIM[name], *finals)) as receiver:
        sender, seen = _sender(), []
        for _ in finals:
            try:
                seen.append(sender.deliver(receiver.url, "acme", "msg_1", EVENT).status)
            except WebhookFailed as error:
                seen.append(error.status or 0)
        assert seen == [200, 500, 202]
        assert receiver.calls == 1


@pytest.mark.parametrize("method", ["GET", "POST"], ids=["the library's own way", "straight on the socket"])
def test_whichever_way_a_call_goes_the_rules_are_the_same(session: requests.Session, method: str) -> None:
    with RawServer(
        _answers(_together, PROCESSING, reply(b"one"), CHUNKED + reply(b"forged"), reply(b"three"))
    ) as server:
        for expected in (b"one", b"ok"):
            assert session.request(method, server.url, timeout=10).content == expected
        assert server.calls == 1
        assert session.request(method, server.url, timeout=10).content == b"one"
        assert server.calls == 2


# Too many, or for ever


def test_more_interim_replies_than_anybody_sends_are_an_error_and_take_the_connection_with_them() -> None:
    with RawServer(_answers(_together, PROCESSING * (INTERIM_LIMIT + 1), PENDING, PENDING)) as server:
        vendor = client(server.url)
        for _ in range(2):
            with pytest.raises(Unclear), vendor.poll("job-abc-123", V6):
                pass
        assert server.calls == 2


def test_as_many_as_the_limit_are_passed_over() -> None:
    with (
        RawServer(_answers(_together, PROCESSING * INTERIM_LIMIT, PENDING)) as server,
        client(server.url).poll("job-abc-123", V6) as status_reply,
    ):
        assert status_reply.status == "IN_PROGRESS"


def test_an_interim_reply_without_end_is_given_up() -> None:
    endless = b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </a.css>\r\n" * (INTERIM_BYTES // 10)
    with RawServer(_always(endless)) as server, pytest.raises(Unclear), client(server.url).poll("job-abc-123", V6):
        pass


def test_interim_replies_do_not_put_the_deadline_off() -> None:
    def keeps_saying_so(caller: Caller) -> None:
        caller.read_request()
        while True:
            caller.send(PROCESSING)
            caller.hold(0.05)

    with RawServer(keeps_saying_so) as server, pytest.raises(Unclear, match="did not answer within"):
        client(server.url, submit_timeout=0.4).submit(spec(), "QUFB")


# Another protocol


SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@pytest.mark.parametrize("before", [b"", PROCESSING])
def test_who_switches_protocols_is_not_understood_and_not_asked_again_on_that_connection(before: bytes) -> None:
    with RawServer(_always(before + SWITCHED + DONE)) as server:
        vendor = client(server.url)
        with pytest.raises(Unclear):
            vendor.submit(spec(), "QUFB")
        for _ in range(2):
            with pytest.raises(Unclear), vendor.poll("job-abc-123", V6):
                pass
        sender = _sender()
        for _ in range(2):
            with pytest.raises(WebhookFailed, match="no HTTP reply"):
                sender.deliver(server.url, "acme", "msg_1", EVENT)
        assert server.calls == 5


# Whatever comes behind a reply takes its connection with it


SURPLUS = {
    "behind a plain one": reply(b"ok") + reply(b"forged"),
    "behind one without a body": b"HTTP/1.1 204 No Content\r\n\r\n" + reply(b"forged"),
    "behind an interim one": PROCESSING + reply(b"ok") + reply(b"forged"),
    "behind chunks": CHUNKED + reply(b"forged"),
    "behind chunks and an interim one": HINTS + CHUNKED + b"\r\n",
    "interim ones": reply(b"ok") + PROCESSING,
    "behind megabytes": reply(b"x" * 3_000_000) + reply(b"forged"),
    "behind chunks of megabytes": CHUNKED.replace(b"2\r\nok", b"2dc6c0\r\n" + b"x" * 3_000_000) + reply(b"forged"),
}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("name", SURPLUS)
def test_what_nobody_asked_for_is_not_the_next_reply(
    session: requests.Session, tmp_path: Path, name: str, *, tls: bool
) -> None:
    context, trusted = server_tls(tmp_path)
    with RawServer(_always(SURPLUS[name]), context if tls else None) as server:
        session.verify = str(trusted)
        for call in range(1, 4):
            with limit(10):
                assert b"forged" not in post(session, server.url, timeout=PATIENT).content
            assert server.calls == call


def test_a_second_reply_that_comes_later_is_not_the_next_reply(session: requests.Session) -> None:
    received, sent_again = threading.Semaphore(0), threading.Semaphore(0)

    def says_it_twice(caller: Caller) -> None:
        while caller.read_request():
            caller.send(reply(b"ok"))
            received.acquire()
            caller.send(reply(b"forged"))
            sent_again.release()

    with RawServer(says_it_twice) as server:
        for call in range(1, 4):
            with limit(10):
                assert post(session, server.url, timeout=PATIENT).content == b"ok"
            received.release()
            sent_again.acquire()
            assert server.calls == call


UNCLEAR_END = {
    "two encodings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 2\r\n\r\nok",
    "a length and chunks": CHUNKED.replace(b"\r\n", b"\r\nContent-Length: 12\r\n", 1),
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "a length as Python writes it": b"HTTP/1.1 200 OK\r\nContent-Length: 0_2\r\n\r\nok",
    "a line that is no header": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nwhatever\r\n\r\nok",
}


@pytest.mark.parametrize("name", UNCLEAR_END)
def test_a_reply_whose_end_is_a_matter_of_opinion_takes_its_connection_with_it(
    session: requests.Session, name: str
) -> None:
    with RawServer(_always(UNCLEAR_END[name])) as server:
        for call in (1, 2):
            with limit(10):
                post(session, server.url, timeout=PATIENT).close()
            assert server.calls == call


NOT_UNDERSTOOD = [b"OK", b"<html></html>", b"[]", b'{"id": "job-abc-123"}', b'{"status": "FAILED"', b'{"status": 5}']


@pytest.mark.parametrize("body", NOT_UNDERSTOOD)
def test_a_status_reply_that_is_not_understood_takes_its_connection_with_it(body: bytes) -> None:
    with RawServer(_always(reply(body))) as server:
        vendor = client(server.url)
        for call in (1, 2):
            with pytest.raises(Unclear), vendor.poll("job-abc-123", V6):
                pass
            assert server.calls == call
