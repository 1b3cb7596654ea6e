"""Calls through an egress proxy keep every rule of calls without one; a tunnel that is not made sent nothing."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from support.http.connect_proxy import ESTABLISHED, ConnectProxy
from support.http.raw_server import Caller, RawServer, free_port, reply, server_tls
from support.jobs.deliveries import EVENT
from support.vendor.client import IMAGE, KEY, PICTURE, V6, all_texts, client, completed, spec
from swapline_producer.webhooks.signing import new_secret
from swapline_workers.adapters.http import public_addresses
from swapline_workers.adapters.http.connections.timed import DeadlineHTTPSConnection
from swapline_workers.adapters.webhook import WebhookSender
from swapline_workers.doctor import vendor as doctor_vendor
from swapline_workers.errors import NotSent, Unclear, WebhookFailed, WebhookForbidden
from swapline_workers.proxy_address import parse_proxy_url
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

ACCEPTED = reply(b'{"id": "job-abc-123", "status": "IN_QUEUE"}')
PENDING = reply(b'{"id": "job-abc-123", "status": "IN_PROGRESS"}')
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
PASSWORD = "pr0xy-secret"
SHORT, SOON = 0.5, 4.0

BAD_REPLIES = {
    "407": (b"HTTP/1.1 407 Nope\r\nContent-Length: 3\r\n\r\nnot", "answered 407"),
    "403": (b"HTTP/1.1 403 Forbidden\r\n\r\n", "answered 403"),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "answered 502"),
    "302": (b"HTTP/1.1 302 Found\r\nLocation: https://portal.test/\r\n\r\n", "answered 302"),
    "101": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "is no HTTP proxy"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "is no HTTP proxy"),
    "nothing": (b"", "hung up"),
    "interim replies without end": (PROCESSING * 200, "is no HTTP proxy"),
}


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with ConnectProxy().listening() as one:
        yield one


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return server_tls(tmp_path_factory.mktemp("tls"))


def through(proxy: ConnectProxy, server: RawServer, tls: tuple[Any, Path], **more: Any) -> Any:
    address = parse_proxy_url(proxy.url(f"me:{PASSWORD}"))
    return client(server.url, trust=str(tls[1]), egress_proxy=address, **more)


def always(answer: bytes) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        while caller.read_request():
            caller.send(answer)

    return script


def test_a_submission_goes_through_a_tunnel_of_its_own_that_hides_it(proxy: ConnectProxy, tls: Any) -> None:
    with RawServer(always(ACCEPTED), tls[0]) as server:
        vendor = through(proxy, server, tls)
        for _ in range(2):
            assert vendor.submit(spec(), IMAGE).vendor_job_id == "job-abc-123"
    target = f"127.0.0.1:{server.port}"
    credentials = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    expected = [
        f"CONNECT {target} HTTP/1.1",
        f"Host: {target}",
        "User-Agent: swapline",
        f"Proxy-Authorization: Basic {credentials}",
    ]
    assert [head.decode().split("\r\n")[:-2] for head in proxy.requests] == [expected, expected]
    assert KEY.encode() not in proxy.carried
    assert len(proxy.carried) > 2 * len(IMAGE)


def test_polls_share_one_tunnel_and_pass_over_interim_replies(proxy: ConnectProxy, tls: Any) -> None:
    proxy.established = PROCESSING + ESTABLISHED
    with RawServer(always(PROCESSING + reply(completed(PICTURE))), tls[0]) as server:
        vendor = through(proxy, server, tls)
        for _ in range(3):
            with vendor.poll("job-abc-123", V6) as status:
                assert status.status == "COMPLETED"
                assert status.pictures() == [PICTURE]
        vendor.close()
    assert len(proxy.requests) == server.calls == 1


@pytest.mark.parametrize("bad", BAD_REPLIES)
def test_a_tunnel_that_is_refused_sent_nothing_and_reports_why(bad: str, proxy: ConnectProxy, tls: Any) -> None:
    proxy.refusal, words = BAD_REPLIES[bad]
    with RawServer(always(ACCEPTED), tls[0]) as server:
        vendor = through(proxy, server, tls)
        with pytest.raises(NotSent, match=words) as submitting:
            vendor.submit(spec(), IMAGE)
        with pytest.raises(NotSent, match=words), vendor.poll("job-abc-123", V6):
            pass
    assert f"the proxy 127.0.0.1:{proxy.port}" in str(submitting.value)
    assert PASSWORD not in all_texts(submitting.value)
    assert (len(proxy.requests), server.calls) == (2, 0)


def test_bytes_behind_the_reply_of_the_proxy_are_nobodys(proxy: ConnectProxy, tls: Any) -> None:
    proxy.established = ESTABLISHED + ACCEPTED
    with RawServer(always(ACCEPTED), tls[0]) as server, pytest.raises(NotSent):
        through(proxy, server, tls).submit(spec(), IMAGE)
    assert not proxy.carried


def test_a_peer_that_resets_before_the_handshake_was_sent_nothing(tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's `wrap_socket` makes no handshake then, and its socket would send in the clear."""

    def open_and_wait_for_reset(self: Any, address: Any) -> socket.socket:
        sock = opened(self, address)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        return sock

    opened = DeadlineHTTPSConnection._open
    monkeypatch.setattr(DeadlineHTTPSConnection, "_open", open_and_wait_for_reset)
    with RawServer(Caller.reset) as server:
        vendor = client(server.url.replace("http:", "https:"), trust=str(tls[1]))
        with pytest.raises(NotSent):
            vendor.submit(spec(), IMAGE)


def test_a_proxy_that_is_not_there_sent_nothing(tls: Any) -> None:
    with RawServer(always(ACCEPTED), tls[0]) as server:
        vendor = through(ConnectProxy(port=free_port()), server, tls)
        with pytest.raises(NotSent, match=r"could not be reached .*refused.*SWAPLINE_HTTPS_PROXY"):
            vendor.submit(spec(), IMAGE)
    assert server.calls == 0


def test_a_proxy_that_does_not_answer_ends_with_the_deadline(proxy: ConnectProxy, tls: Any) -> None:
    proxy.silent = True
    began = time.monotonic()
    with RawServer(always(ACCEPTED), tls[0]) as server:
        vendor = through(proxy, server, tls, submit_timeout=SHORT)
        with pytest.raises(NotSent, match="did not answer CONNECT"):
            vendor.submit(spec(), IMAGE)
    assert SHORT <= time.monotonic() - began < SOON
    assert (len(proxy.requests), server.calls) == (1, 0)


def test_a_reply_that_drips_through_the_tunnel_ends_with_the_deadline(proxy: ConnectProxy, tls: Any) -> None:
    def drip(caller: Caller) -> None:
        caller.read_request()
        caller.drip(ACCEPTED * 100)

    began = time.monotonic()
    with RawServer(drip, tls[0]) as server, pytest.raises(Unclear, match=r"within 0.5 s"):
        through(proxy, server, tls, submit_timeout=SHORT).submit(spec(), IMAGE)
    assert SHORT <= time.monotonic() - began < SOON


def test_a_submission_whose_reply_is_lost_in_the_tunnel_is_not_sent_again(proxy: ConnectProxy, tls: Any) -> None:
    with RawServer(Caller.read_request, tls[0]) as server, pytest.raises(Unclear):
        through(proxy, server, tls).submit(spec(), IMAGE)
    assert len(proxy.requests) == server.calls == 1


def test_a_certificate_of_another_is_refused_through_the_tunnel(proxy: ConnectProxy, tls: Any, tmp_path: Path) -> None:
    """The proxy may lead elsewhere: who is there is still proved by TLS."""
    stranger, _ = server_tls(tmp_path)
    with RawServer(always(ACCEPTED), stranger) as elsewhere, RawServer(always(ACCEPTED), tls[0]) as server:
        proxy.upstream = elsewhere.port
        with pytest.raises(NotSent):
            through(proxy, server, tls).submit(spec(), IMAGE)


def test_plain_http_goes_straight(proxy: ConnectProxy, tls: Any) -> None:
    with RawServer(always(ACCEPTED)) as simulator, RawServer(always(reply(b"ok"))) as receiver:
        through(proxy, simulator, tls).submit(spec(), IMAGE)
        assert deliver(proxy, receiver.url, tls).status == 200
    assert proxy.requests == []


# Webhooks.


def deliver(proxy: ConnectProxy, url: str, tls: tuple[Any, Path], **more: Any) -> Any:
    options: dict[str, Any] = {"secrets": [SecretStr(new_secret())], "allow_private": True, "timeout": 10.0, **more}
    sender = WebhookSender(**options, trust=str(tls[1]), egress_proxy=parse_proxy_url(proxy.url()))
    return sender.deliver(url, "acme", "msg_1", EVENT)


def test_webhooks_go_through_the_proxy(proxy: ConnectProxy, tls: Any) -> None:
    with RawServer(always(PROCESSING + reply(b"ok")), tls[0]) as receiver:
        assert deliver(proxy, receiver.url, tls).status == 200
    assert len(proxy.requests) == 1
    assert b"Proxy-Authorization" not in proxy.requests[0]


@pytest.mark.parametrize(("bad", "ours"), [("407", True), ("403", True), ("nothing", True), ("502", False)])
def test_a_webhook_that_the_proxy_refuses_blames_the_receiver_only_where_the_proxy_did_not_reach_it(
    bad: str, ours: bool, proxy: ConnectProxy, tls: Any
) -> None:
    proxy.refusal, words = BAD_REPLIES[bad]
    with pytest.raises(WebhookFailed, match=words) as caught:
        deliver(proxy, f"https://127.0.0.1:{free_port()}/hook", tls)
    assert caught.value.ours is ours
    assert caught.value.status is None


def test_a_name_that_leads_to_a_private_address_is_refused_before_the_proxy_is_asked(
    proxy: ConnectProxy, tls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = [(2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(public_addresses, "resolve", lambda *_: private)
    with pytest.raises(WebhookForbidden, match=r"10\.0\.0\.1"):
        deliver(proxy, "https://receiver.example.com/hook", tls, allow_private=False)
    assert proxy.requests == []


def test_a_public_name_is_resolved_by_us_and_named_to_the_proxy(
    proxy: ConnectProxy, tls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.215.14", 443))]

    monkeypatch.setattr(public_addresses, "resolve", resolve)
    proxy.refusal = BAD_REPLIES["502"][0]
    with pytest.raises(WebhookFailed, match=r"answered 502 to CONNECT receiver.example.com:443"):
        deliver(proxy, "https://receiver.example.com/hook", tls, allow_private=False)
    assert asked == ["receiver.example.com"]


# The doctor.


def test_doctor_blames_the_proxy_and_not_the_vendor(proxy: ConnectProxy) -> None:
    proxy.refusal = BAD_REPLIES["407"][0]
    settings = WorkerSettings(
        storage_url="file:///tmp/swapline",
        api_base_url="https://vendor.test",
        api_key=SecretStr(KEY),
        api_key_header="X-Key",
        https_proxy=SecretStr(proxy.url(f"me:{PASSWORD}")),
    )
    [finding] = doctor_vendor.examine(settings, 5)
    assert "answered 407 to CONNECT vendor.test:443" in str(finding)
    assert "mend SWAPLINE_HTTPS_PROXY" in str(finding)
    assert PASSWORD not in str(finding)
