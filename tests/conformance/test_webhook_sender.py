"""Deliveries to real receivers on this host, well-behaved and hostile, and to places that must never be called."""

from __future__ import annotations

import errno
import gzip
import http.client
import itertools
import json
import socket
import ssl
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
import standardwebhooks
import urllib3
from pydantic import SecretStr

from support.http.raw_server import Caller, RawServer, free_port, reply, server_tls, unreachable_port
from support.jobs.deliveries import EVENT
from swapline_producer.errors import SettingsError
from swapline_producer.webhooks.signing import new_secret, verify
from swapline_workers.adapters.http import public_addresses as public
from swapline_workers.adapters.http.public_addresses import PublicAdapter
from swapline_workers.adapters.webhook import WebhookSender
from swapline_workers.errors import WebhookFailed, WebhookForbidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET, OLDER = new_secret(), new_secret()
SHORT = 0.5  # seconds for a delivery that must be cut off
SOON = 4.0  # seconds: what SHORT may become on a busy machine


def sender(**more: Any) -> WebhookSender:
    options: dict[str, Any] = {"secrets": [SecretStr(SECRET)], "allow_private": True, "timeout": 10.0, **more}
    return WebhookSender(**options)


def deliver(url: str, **more: Any) -> int:
    return sender(**more).deliver(url, "acme", "msg_1", EVENT).status


def failure(url: str, **more: Any) -> WebhookFailed:
    with pytest.raises(WebhookFailed) as caught:
        deliver(url, **more)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert SECRET not in sentence
    return caught.value


def answer_always(answer: bytes, requests_seen: list[bytes] | None = None) -> Callable[[Caller], None]:
    def script(caller: Caller) -> None:
        while request := caller.read_request():
            if requests_seen is not None:
                requests_seen.append(request)
            caller.send(answer)

    return script


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


# What a good receiver gets.


def test_a_receiver_can_verify_what_it_got_by_two_packages() -> None:
    seen: list[bytes] = []
    with RawServer(answer_always(reply(b"ok"), seen)) as receiver:
        assert deliver(f"{receiver.url}/hook?a=b", secrets=[SecretStr(SECRET), SecretStr(OLDER)]) == 200
    headers, body = headers_of(seen[0]), seen[0].partition(b"\r\n\r\n")[2]
    assert seen[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["webhook-id"] == "msg_1"
    for secret in (SECRET, OLDER):
        assert verify(body, headers, secret) == EVENT
        assert standardwebhooks.Webhook(secret).verify(body, headers)["type"] == EVENT.type


def test_each_attempt_is_signed_for_its_own_time() -> None:
    seen: list[bytes] = []
    ticks = itertools.count(1_750_000_000)
    with RawServer(answer_always(reply(b""), seen)) as receiver:
        one = sender(clock=lambda: float(next(ticks)))
        for _ in range(2):
            one.deliver(receiver.url, "acme", "msg_1", EVENT)
    first, second = map(headers_of, seen)
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1750000000", "1750000001")
    assert first["webhook-id"] == second["webhook-id"]


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Odd"])
def test_every_2xx_is_a_delivery(status: str) -> None:
    with RawServer(answer_always(reply(b"", status))) as receiver:
        assert deliver(receiver.url) == int(status[:3])


def test_one_thread_keeps_its_connection_and_another_has_its_own() -> None:
    with RawServer(answer_always(reply(b"thanks"))) as receiver:
        one = sender()
        for _ in range(3):
            one.deliver(receiver.url, "acme", "msg_1", EVENT)
        assert receiver.calls == 1
        other = threading.Thread(target=one.deliver, args=(receiver.url, "acme", "msg_1", EVENT))
        other.start()
        other.join()
        assert receiver.calls == 2


def test_a_connection_that_the_receiver_closed_meanwhile_is_opened_anew() -> None:
    def answer_once(caller: Caller) -> None:
        caller.read_request()
        caller.send(reply(b"", "200 OK"))

    with RawServer(answer_once) as receiver:
        one = sender()
        for call in range(1, 4):
            assert one.deliver(receiver.url, "acme", "msg_1", EVENT).status == 200
            assert receiver.calls == call
            receiver.wait_until_quiet()


def test_an_answer_without_a_body_keeps_its_connection() -> None:
    with RawServer(answer_always(b"HTTP/1.1 204 No Content\r\n\r\n")) as receiver:
        one = sender()
        for _ in range(3):
            assert one.deliver(receiver.url, "acme", "msg_1", EVENT).response_sha256 is None
        assert receiver.calls == 1


def test_no_cookie_comes_back() -> None:
    seen: list[bytes] = []
    with RawServer(answer_always(reply(b"", "200 OK", "Set-Cookie: a=b"), seen)) as receiver:
        one = sender()
        for _ in range(2):
            one.deliver(receiver.url, "acme", "msg_1", EVENT)
    assert "cookie" not in headers_of(seen[1])


# What a receiver can say instead.


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308, 400, 401, 404, 422, 500, 503, 599])
def test_any_other_status_is_a_failure_that_names_it(status: int) -> None:
    with RawServer(answer_always(reply(b"", f"{status} Odd"))) as receiver:
        error = failure(receiver.url)
    assert (error.status, error.gone, error.retry_after) == (status, False, None)
    assert str(status) in str(error)


def test_gone_is_reported() -> None:
    with RawServer(answer_always(reply(b"", "410 Gone"))) as receiver:
        assert failure(receiver.url).gone


@pytest.mark.parametrize("header", ["120", "Sun, 06 Nov 1994 08:51:37 GMT"])
def test_the_receivers_retry_after_is_in_seconds(header: str) -> None:
    with RawServer(answer_always(reply(b"", "429 Too Many Requests", f"Retry-After: {header}"))) as receiver:
        error = failure(receiver.url, clock=lambda: 784_111_777.0)
    assert (error.status, error.retry_after) == (429, 120.0)


def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    with RawServer(answer_always(reply(b""))) as target:
        redirect = reply(b"", "307 Temporary Redirect", f"Location: {target.url}")
        with RawServer(answer_always(redirect)) as receiver:
            assert "redirects are not followed" in str(failure(receiver.url))
        assert target.calls == 0


def flood(head: bytes, sent: list[int]) -> Callable[[Caller], None]:
    """Send a body without end, as fast as the caller takes it; note how much it took."""

    def script(caller: Caller) -> None:
        caller.read_request()
        caller.send(head)
        for _ in range(4096):  # 256 MiB: no end would fail the test by its time, not by its memory
            caller.send(b"x" * 65_536)
            sent.append(65_536)

    return script


HEADS = {
    "no length": b"HTTP/1.1 200 OK\r\n\r\n",
    "a terabyte": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
    "a number of 5000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "one endless chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("status", [b"200", b"302", b"500"])
def test_of_a_body_without_end_next_to_nothing_is_read(head: bytes, status: bytes) -> None:
    sent: list[int] = []
    head = head.replace(b"200", status).replace(b"\r\n", b"\r\nLocation: http://127.0.0.1:1/\r\n", 1)
    with RawServer(flood(head, sent)) as receiver:
        began = time.monotonic()
        if status == b"200":
            assert deliver(receiver.url) == 200
        else:
            assert failure(receiver.url).status == int(status)
        assert time.monotonic() - began < SOON
    assert sum(sent) < 32 * 1024 * 1024  # what the two kernels keep between them, and not what was sent


def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    with RawServer(answer_always(reply(bomb[:60_000], "200 OK", "Content-Encoding: gzip"))) as receiver:
        assert deliver(receiver.url) == 200
    with RawServer(
        answer_always(reply(bomb[:60_000], "302 Found", "Content-Encoding: gzip", "Location: /"))
    ) as receiver:
        assert failure(receiver.url).status == 302


def test_a_body_that_drips_takes_no_longer_than_the_deadline_and_the_delivery_counts() -> None:
    def drip(caller: Caller) -> None:
        caller.read_request()
        caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        caller.drip(b"x" * 60_000)

    with RawServer(drip) as receiver:
        began = time.monotonic()
        assert deliver(receiver.url, timeout=SHORT) == 200
        assert time.monotonic() - began < SOON


def drip_status(caller: Caller) -> None:
    caller.read_request()
    caller.drip(b"HTTP/1.1 200 OK" + b"." * 10_000)


def drip_header(caller: Caller) -> None:
    caller.read_request()
    caller.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: and slower\r\n" * 1000)


def read_nothing(caller: Caller) -> None:
    caller.hold()


@pytest.mark.parametrize("script", [drip_status, drip_header, read_nothing])
def test_a_header_that_never_ends_is_a_failure_when_the_time_is_up(script: Callable[[Caller], None]) -> None:
    with RawServer(script) as receiver:
        began = time.monotonic()
        assert "did not answer within 0.5 s" in str(failure(receiver.url, timeout=SHORT))
        assert time.monotonic() - began < SOON


def continue_for_ever(caller: Caller) -> None:
    caller.read_request()
    while True:
        caller.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def test_interim_replies_without_end_are_a_failure() -> None:
    with RawServer(continue_for_ever) as receiver:
        assert "something that is no HTTP reply" in str(failure(receiver.url))


def test_a_receiver_that_does_not_accept_is_a_failure_when_the_time_is_up() -> None:
    with unreachable_port() as port:
        began = time.monotonic()
        assert "did not answer" in str(failure(f"http://127.0.0.1:{port}/", timeout=SHORT))
        assert time.monotonic() - began < SOON


def test_nobody_listening_is_a_failure() -> None:
    assert "could not be reached" in str(failure(f"http://127.0.0.1:{free_port()}/"))


MALFORMED = {
    "nothing": b"",
    "no HTTP": b"220 smtp.example.com ESMTP\r\n",
    "no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "half a status": b"HTTP/1.1 20",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_reply_is_a_failure_in_one_sentence(malformed: bytes) -> None:
    def script(caller: Caller) -> None:
        caller.read_request()
        caller.send(malformed)

    with RawServer(script) as receiver:
        error = failure(receiver.url)
    assert error.status is None
    assert ("hung up before it answered" if malformed == b"" else "is no HTTP reply; see that its URL") in str(error)


def test_a_reset_is_a_failure() -> None:
    def script(caller: Caller) -> None:
        caller.read_request()
        caller.reset()

    with RawServer(script) as receiver:
        assert "hung up" in str(failure(receiver.url))


def foreign_errors() -> Iterator[Exception]:
    """Give one of every kind that the libraries below can raise."""
    trees: list[type[Exception]] = [requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException]
    while trees:
        kind = trees.pop()
        trees += kind.__subclasses__()
        error = kind.__new__(kind)
        Exception.__init__(error, "boom")
        yield error
    yield from (OSError("boom"), socket.gaierror(-2, "boom"), ssl.SSLError("boom"), TimeoutError("boom"))
    yield from (ValueError("boom"), UnicodeError("label too long"))


@pytest.mark.parametrize("error", list(foreign_errors()), ids=lambda error: type(error).__name__)
def test_whatever_the_libraries_raise_is_a_failed_webhook(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", fail)
    assert failure("http://127.0.0.1/").__cause__ is error


# What is wrong on our side.


def test_a_body_beyond_20_kb_is_refused_before_it_is_sent() -> None:
    large = replace(EVENT, data=replace(EVENT.data, metadata={"note": "ü" * 10_000}))
    with RawServer(answer_always(reply(b""))) as receiver:
        with pytest.raises(WebhookFailed, match="more than 20,000"):
            sender().deliver(receiver.url, "acme", "msg_1", large)
        assert receiver.calls == 0


def test_without_a_secret_nothing_is_sent_and_the_setting_is_named() -> None:
    with RawServer(answer_always(reply(b""))) as receiver:
        assert "SWAPLINE_WEBHOOK_SECRETS" in str(failure(receiver.url, secrets=[]))
        assert receiver.calls == 0


def test_a_secret_that_is_none_stops_the_worker_and_not_the_first_delivery() -> None:
    with pytest.raises(SettingsError, match="SWAPLINE_WEBHOOK_SECRETS"):
        sender(secrets=[SecretStr("whsec_short")])


# TLS.


def test_a_trusted_certificate_is_accepted_and_an_unknown_one_is_not(tmp_path: Path) -> None:
    context, trusted = server_tls(tmp_path)
    with RawServer(answer_always(reply(b"")), context) as receiver:
        assert deliver(receiver.url, trust=str(trusted)) == 200
        assert "no certificate that can be trusted" in str(failure(receiver.url))


def test_the_name_is_what_tls_asks_for_and_checks_although_an_address_is_called(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context, trusted = server_tls(tmp_path)  # for 127.0.0.1 alone
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    with RawServer(answer_always(reply(b"")), context) as receiver:
        records(monkeypatch, ["127.0.0.1"])
        error = failure(f"https://receiver.example.com:{receiver.port}/", trust=str(trusted))
    assert asked == ["receiver.example.com"]
    assert "no certificate that can be trusted for this name" in str(error)


# Where it must not go.

_watching: list[list[Any]] = []


def _note_connections(event: str, args: tuple[Any, ...]) -> None:
    if _watching and event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        _watching[-1].append(args[1])
        raise OSError(errno.ENETUNREACH, "the test lets nothing out")


sys.addaudithook(_note_connections)  # Python itself reports every connection


@contextmanager
def no_way_out() -> Iterator[list[Any]]:
    """Stop every connection of this process, and give the addresses that were tried."""
    tried: list[Any] = []
    _watching.append(tried)
    try:
        yield tried
    finally:
        _watching.pop()


def records(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let every name resolve to these addresses, look-up by look-up; give the names that were looked up."""
    looked_up: list[str] = []
    rounds = itertools.chain(answers, itertools.repeat(answers[-1]))

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        looked_up.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in next(rounds)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


ADDRESSES = {
    "loopback": "127.0.0.1",
    "loopback, another": "127.8.8.8",
    "this host": "0.0.0.0",
    "private A": "10.0.0.1",
    "private B": "172.16.0.1",
    "private C": "192.168.0.1",
    "carrier": "100.64.0.1",
    "metadata": "169.254.169.254",
    "metadata, containers": "169.254.170.2",
    "metadata, Alibaba": "100.100.100.200",
    "metadata, Azure": "168.63.129.16",
    "metadata, Oracle": "192.0.0.192",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "IPv6 loopback": "::1",
    "IPv6 unspecified": "::",
    "IPv4-mapped": "::ffff:127.0.0.1",
    "IPv4-compatible": "::127.0.0.1",
    "IPv4-translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64, local": "64:ff9b:1::7f00:1",
    "6to4": "2002:7f00:1::",
    "Teredo": "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "site-local": "fec0::1",
    "link-local": "fe80::1",
    "unique local": "fd00::1",
    "metadata, AWS IPv6": "fd00:ec2::254",
    "IPv6 multicast": "ff02::1",
}
SPELLINGS = {
    "decimal": "2130706433",
    "octal": "0177.0.0.1",
    "octal in one": "017700000001",
    "hex": "0x7f.0x0.0x0.0x1",
    "hex in one": "0x7f000001",
    "short": "127.1",
    "shorter": "0",
    "padded": "0000177.0.0.1",
    "trailing dot": "127.0.0.1.",
    "escaped": "%31%32%37.0.0.1",
    "full width": "①②⑦.0.0.1",
    "ideographic dots": "127。0。0。1",
    "mapped in hex": "[::ffff:7f00:1]",
    "localhost": "localhost",
    "localhost, absolute": "LOCALHOST.",
    "below localhost": "x.localhost",
    "metadata, Google": "metadata.google.internal",
    "a neighbour": "redis",
    "userinfo": "user@127.0.0.1",
    "userinfo that looks public": "receiver.example.com@127.0.0.1",
    "userinfo that looks private": "127.0.0.1@receiver.example.com",
    "backslash": "receiver.example.com\\@127.0.0.1",
    "tab": "127.0.\t0.1",
}
NAMES = {"metadata, Google", "a neighbour", "userinfo that looks private", "backslash", "below localhost"}
LITERALS = {name: f"[{address}]" if ":" in address else address for name, address in ADDRESSES.items()} | SPELLINGS
FIXED = {name: host for name, host in LITERALS.items() if name not in NAMES}  # what a name means is up to the network


@pytest.mark.parametrize("host", LITERALS.values(), ids=LITERALS)
@pytest.mark.parametrize("url", ["https://{}/", "http://{}/", "https://{}:8443/a", "HTTPS://{}"])
def test_a_url_to_a_special_address_is_refused_and_opens_no_socket(host: str, url: str) -> None:
    with no_way_out() as tried:
        error = failure(url.format(host), allow_private=False)
    assert isinstance(error, WebhookForbidden)
    assert "SWAPLINE_WEBHOOK_ALLOW_PRIVATE" in str(error)
    assert tried == []


@pytest.mark.parametrize("host", FIXED.values(), ids=FIXED)
def test_the_transport_refuses_it_as_well_whatever_the_letters_said(host: str) -> None:
    with no_way_out() as tried, requests.Session() as session:
        session.trust_env = False
        session.mount("https://", PublicAdapter())
        with pytest.raises((WebhookForbidden, requests.RequestException)):
            session.post(f"https://{host}/", timeout=5)
    assert tried == []


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_a_name_that_leads_to_a_special_address_opens_no_socket(
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records(monkeypatch, [address])
    with no_way_out() as tried:
        error = failure("https://receiver.example.com/", allow_private=False)
    assert isinstance(error, WebhookForbidden)
    assert f"receiver.example.com leads to {address}" in str(error)
    assert tried == []


@pytest.mark.parametrize("mixed", [["93.184.216.34", "127.0.0.1"], ["2606:4700::1111", "10.0.0.1"], ["::1", "1.1.1.1"]])
def test_one_special_record_among_public_ones_spoils_the_name(
    mixed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    records(monkeypatch, mixed)
    with no_way_out() as tried:
        assert isinstance(failure("https://receiver.example.com/", allow_private=False), WebhookForbidden)
    assert tried == []


def test_a_name_that_rebinds_is_looked_up_once_and_only_what_was_checked_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = records(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    with no_way_out() as tried:
        error = failure("https://receiver.example.com/", allow_private=False)
    assert not isinstance(error, WebhookForbidden)
    assert looked_up == ["receiver.example.com"]
    assert tried == [("93.184.216.34", 443)]


def test_without_the_setting_http_is_refused_even_to_a_public_address() -> None:
    with no_way_out() as tried:
        error = failure("http://93.184.216.34/", allow_private=False)
    assert isinstance(error, WebhookForbidden)
    assert "https" in str(error)
    assert tried == []


@pytest.mark.parametrize("url", ["", "receiver", "ftp://example.com", "file:///etc/passwd", "https://", "https://[::1"])
def test_what_is_no_web_address_is_refused_with_and_without_the_setting(url: str) -> None:
    for allow_private in (True, False):
        assert isinstance(failure(url, allow_private=allow_private), WebhookForbidden)


def test_userinfo_is_refused_even_where_private_addresses_are_allowed() -> None:
    with no_way_out() as tried:
        assert isinstance(failure("http://user:pw@127.0.0.1/"), WebhookForbidden)
    assert tried == []


def test_proxies_netrc_and_certificates_of_the_environment_are_ignored(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/no/such/file")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    context, trusted = server_tls(tmp_path)
    seen: list[bytes] = []
    with (
        RawServer(answer_always(reply(b""))) as proxy,
        RawServer(answer_always(reply(b""), seen)) as receiver,
        RawServer(answer_always(reply(b""), seen), context) as secure,
    ):
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        assert deliver(receiver.url) == 200
        assert deliver(secure.url, trust=str(trusted)) == 200
        assert proxy.calls == 0
    assert all("authorization" not in headers_of(request) for request in seen)


def test_a_proxy_of_the_environment_is_no_way_around_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    records(monkeypatch, ["93.184.216.34"])
    with no_way_out() as tried:
        assert "could not be reached" in str(failure("https://receiver.example.com/", allow_private=False))
    assert tried == [("93.184.216.34", 443)]


def test_a_name_server_that_never_answers_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(public, "RESOLVE_TIMEOUT", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30))
    try:
        began = time.monotonic()
        assert "could not be reached" in str(failure("https://receiver.example.com/", allow_private=False))
        assert time.monotonic() - began < SOON
    finally:
        over.set()


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("a" * 64 + ".example.com", "could not be reached"),
        ("xn--.example.com", "it is not a well-formed URL"),
        ("no-such-name.invalid", "could not be reached"),
    ],
    ids=["too long", "no name", "nobody's"],
)
def test_a_name_that_cannot_be_looked_up_is_a_failure(host: str, sentence: str) -> None:
    assert sentence in str(failure(f"https://{host}/", allow_private=False))


def test_an_event_survives_its_way_letter_by_letter() -> None:
    seen: list[bytes] = []
    with RawServer(answer_always(reply(b""), seen)) as receiver:
        deliver(receiver.url)
    assert json.loads(seen[0].partition(b"\r\n\r\n")[2])["data"]["metadata"] == {"order": "ü 1"}
