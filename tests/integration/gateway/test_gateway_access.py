"""Keys of the gateway: who is let in, how fast, how much at once, and that no key is kept."""

from __future__ import annotations

import json
import re
import socket
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests

from support.services.gateways import BODY, BOTH, Gateway, gateway_process, listening_server, serving
from swapline_gateway.access import rate_limit_fields
from swapline_gateway.server import build_server
from swapline_gateway.service import Service
from swapline_gateway.settings import GatewaySettings
from swapline_producer.contract.access import KeyLimits, Scope
from swapline_producer.errors import NotPossible

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger

LIMITS = KeyLimits(rate=2, burst=3, max_body=1_000_000)


def test_a_key_may_burst_and_then_goes_at_its_rate(ledger: Ledger, time: Time) -> None:
    key, _ = ledger.api_keys.create("acme", BOTH)
    found = [ledger.api_keys.admit(key, LIMITS) for _ in range(4)]
    assert [(one.remaining, one.retry_after) for one in found if one] == [(2, 0), (1, 0), (0, 0), (0, 0.5)]
    time.pass_(0.5)
    again = [ledger.api_keys.admit(key, LIMITS) for _ in range(2)]
    assert [one.retry_after for one in again if one] == [0, 0.5]
    time.pass_(60)
    assert [one.remaining for one in [ledger.api_keys.admit(key, LIMITS)] if one] == [2]


def test_a_key_has_limits_of_its_own(ledger: Ledger) -> None:
    key, _ = ledger.api_keys.create("acme", BOTH, limits=KeyLimits(burst=1, max_body=5000))
    found = ledger.api_keys.admit(key, LIMITS)
    assert found is not None
    assert found.policy == KeyLimits(rate=2, burst=1, max_body=5000)
    assert rate_limit_fields(found) == {"RateLimit-Policy": '"key";q=1;w=1', "RateLimit": '"key";r=0;t=1'}


def test_the_ledger_keeps_no_key(ledger: Ledger) -> None:
    key, made = ledger.api_keys.create("acme", BOTH, note="shop")
    kept = [ledger.client.hgetall(name) for name in ledger.client.keys(f"{ledger.prefix}:api_key*")]
    assert key.removeprefix("swk_") not in json.dumps(kept)
    assert ledger.api_keys.all() == [made]
    ledger.api_keys.admit(key, LIMITS)
    assert ledger.api_keys.all()[0].used_at == ledger.now()


def test_a_revoked_key_is_unknown_at_once(ledger: Ledger) -> None:
    key, made = ledger.api_keys.create("acme", BOTH)
    ledger.api_keys.revoke(made.key_id)
    assert ledger.api_keys.admit(key, LIMITS) is None
    assert ledger.api_keys.all() == []
    with pytest.raises(NotPossible, match="swapline keys list"):
        ledger.api_keys.revoke(made.key_id)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer swk_short", "Basic c3drXw==", "Bearer swk_" + "a" * 43])
def test_without_a_known_key_nothing_is_shown(gateway: Gateway, header: str) -> None:
    for method, path in (("GET", "/v1/swaps"), ("POST", "/v1/swaps"), ("GET", "/v1/swaps/a")):
        answer = requests.request(method, gateway.url + path, headers={"Authorization": header}, timeout=10)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["type"] == "urn:swapline:problem:unauthorized"


def test_a_scope_that_a_key_lacks_is_named(gateway: Gateway) -> None:
    reader, admin = gateway.new_key("acme", Scope.READ), gateway.new_key("acme", Scope.ADMIN)
    refused = gateway.post("/v1/swaps", json=BODY, key=reader)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:swapline:problem:missing-scope")
    assert "swaps:write" in refused.json()["detail"]
    assert gateway.get("/v1/swaps", key=reader).status_code == 200
    assert gateway.get("/v1/swaps", key=gateway.new_key("acme", Scope.WRITE)).status_code == 403
    assert gateway.post("/v1/swaps", json=BODY, key=admin).status_code == 202


def test_too_many_requests_are_answered_with_when_to_come_back(gateway: Gateway) -> None:
    key = gateway.new_key("acme", *BOTH, rate=0.1, burst=2)
    first = gateway.get("/v1/swaps", key=key)
    assert (first.headers["RateLimit-Policy"], first.headers["RateLimit"]) == ('"key";q=2;w=20', '"key";r=1;t=10')
    gateway.get("/v1/swaps", key=key)
    refused = gateway.post("/v1/swaps", json=BODY, key=key)
    assert (refused.status_code, refused.json()["charged"]) == (429, False)
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert gateway.get("/v1/swaps").json()["swaps"] == []


def answer_to(gateway: Gateway, head: str, body: bytes = b"") -> bytes:
    """What is answered to a request that sends its head, and then perhaps something."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        lines = (head, "Host: a", f"Authorization: Bearer {gateway.key}", "", "")
        connection.sendall("\r\n".join(lines).encode() + body)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def test_a_body_over_the_limit_is_refused_before_it_is_read(gateway: Gateway) -> None:
    found = answer_to(gateway, "POST /v1/swaps HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999999")
    assert found.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in found
    assert b'"charged":false' in found


def test_a_body_without_a_length_is_refused_when_it_has_become_too_large(gateway: Gateway) -> None:
    key = gateway.new_key("acme", *BOTH, max_body=100_000)
    answer = gateway.post("/v1/swaps", data=(b"x" * 20_000 for _ in range(100)), key=key)
    assert answer.status_code == 413
    assert answer.json()["limit"] == 100_000


def test_a_proxy_may_keep_the_root_path_or_take_it_away(gateway_settings: GatewaySettings) -> None:
    with serving(gateway_settings, root_path="/faces") as gateway:
        swap = gateway.post("/v1/swaps", json=BODY)
        assert swap.headers["Location"].startswith("/faces/v1/swaps/")
        bare = requests.get(
            gateway.url.removesuffix("/faces") + swap.headers["Location"].removeprefix("/faces"),
            headers={"Authorization": f"Bearer {gateway.key}"},
            timeout=10,
        )
        assert bare.json()["id"] == swap.json()["id"]
        assert gateway.get("/v1/swaps").json()["swaps"][0]["links"]["self"] == swap.headers["Location"]


@pytest.mark.parametrize("kept", ["", "/faces"], ids=["the proxy removes the path", "the proxy keeps the path"])
def test_a_gateway_process_works_under_a_path_of_a_proxy(installation: Installation, tmp_path: Path, kept: str) -> None:
    key, _ = installation.producer().ledger.api_keys.create("acme", BOTH)
    with gateway_process(tmp_path, installation.environment, "--root-path", "/faces/") as (url, _):
        found = Gateway(url + kept, installation.producer(), key)
        made = found.post("/v1/swaps", json=BODY, headers={"X-Forwarded-Host": "evil.example"})
        links = [made.headers["Location"], *made.json()["links"].values()]
        assert [link for link in links if not link.startswith("/faces/v1/swaps/")] == []
        assert found.get(links[0].removeprefix("/faces")).json()["id"] == made.json()["id"]
        page = found.get("/docs")
        assert (page.status_code, "href='/faces/openapi.json'" in page.text) == (200, True)
        assert found.get("/openapi.json").json()["servers"] == [{"url": "/faces"}]
        for path in ("/v1/swaps/", "/docs/", "//evil.example/"):
            assert found.get(path, allow_redirects=False).status_code in {404, 405}


@pytest.mark.parametrize(
    ("named", "client", "scheme"),
    [(None, "127.0.0.1", "http"), ("10.9.9.9", "127.0.0.1", "http"), ("127.0.0.1", "203.0.113.7", "https")],
)
def test_forwarded_headers_are_believed_from_named_proxies_only(
    monkeypatch: pytest.MonkeyPatch, gateway: Gateway, named: str | None, client: str, scheme: str
) -> None:
    seen: list[Any] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        seen.append((scope["client"][0], scope["scheme"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if named:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", named)
    service = Service(gateway.producer, GatewaySettings())
    with listening_server(build_server(cast("FastAPI", app), service)) as url:
        requests.get(url, headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}, timeout=10)
    assert seen == [(client, scheme)]


def test_what_is_not_there_is_a_problem_too(gateway: Gateway) -> None:
    assert gateway.get("/v2/swaps").json()["type"] == "urn:swapline:problem:not-found"
    assert gateway("DELETE", "/v1/swaps").json()["type"] == "urn:swapline:problem:method-not-allowed"
    assert gateway.get("/healthz", key="").text == "ok\n"


def test_keys_are_made_listed_and_revoked_by_the_command(installation: Installation) -> None:
    made = json.loads(installation.cli("keys", "create", "--tenant", "acme", "--note", "shop", "--json").stdout)
    assert re.fullmatch(r"swk_[A-Za-z0-9_-]{43}", made["key"])
    assert made["scopes"] == ["swaps:read", "swaps:write"]
    listed = installation.cli("keys", "list", "--json").stdout
    assert made["key"] not in listed
    assert [one["key_id"] for one in json.loads(listed)] == [made["key_id"]]
    plain = installation.cli("keys", "create", "--scope", "admin", "--rate", "5")
    assert plain.stdout.splitlines()[0].startswith("swk_")
    assert installation.cli("keys", "revoke", made["key_id"]).returncode == 0
    gone = installation.cli("keys", "revoke", made["key_id"])
    assert (gone.returncode, "Traceback" in gone.stderr) == (1, False)
    assert installation.cli("keys", "create", "--tenant", "a b").returncode == 2


def test_many_at_once_are_counted_once_each(gateway: Gateway) -> None:
    key = gateway.new_key("acme", *BOTH, rate=0.01, burst=20)
    statuses: list[int] = []

    def ask() -> None:
        statuses.extend(
            requests.get(f"{gateway.url}/v1/swaps", headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code
            for _ in range(5)
        )

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 20 + [429] * 20
