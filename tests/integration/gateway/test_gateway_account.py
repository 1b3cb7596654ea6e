"""What a tenant uses, its own webhook secrets, and deliveries in trouble."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.services.gateways import BODY, Gateway, serving, settings_of
from swapline_producer.contract import Notification, State
from swapline_producer.contract.access import Scope
from swapline_producer.contract.changes import Change
from swapline_producer.contract.jobs.service_times import EVERY_KIND
from swapline_producer.webhooks.signing import verify
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from support.programs.installation import Installation, Receiver

HOOK = {"webhook_url": "http://127.0.0.1:9/hook"}


def test_usage_is_that_of_the_tenant_by_day(gateway: Gateway) -> None:
    ledger = gateway.producer.ledger
    job = gateway.producer.get(gateway.post("/v1/swaps", json=BODY).json()["id"])
    ledger.transitions.line_up(job)
    ledger.limits.set_credits("acme", 100)
    found = gateway.get("/v1/usage?days=2").json()
    assert (found["tenant"], found["credits_per_day"]) == ("acme", 100)
    assert [day["credits"] for day in found["days"]] == [2, 0]
    other = gateway.get("/v1/usage", key=gateway.new_key("umbrella")).json()
    assert {day["credits"] for day in other["days"]} == {0}
    assert gateway.get("/v1/usage?days=0").status_code == 422


def test_capacity_says_how_busy_it_is(gateway: Gateway) -> None:
    ledger = gateway.producer.ledger
    for _ in range(5):
        ledger.transitions.line_up(gateway.producer.get(gateway.post("/v1/swaps", json=BODY).json()["id"]))
    found = gateway.get("/v1/capacity").json()
    assert (found["slots"], found["in_flight"], found["waiting_of_tenant"], found["paused"]) == (3, 3, 2, False)
    assert found["swaps_per_hour"] is None
    ledger.client.hset(f"{ledger.prefix}:hist:{EVERY_KIND}", mapping={"84": "100", "jobs": "100"})
    assert 1000 < gateway.get("/v1/capacity").json()["swaps_per_hour"] < 1500


def test_secrets_are_an_admins_and_shown_once(gateway: Gateway) -> None:
    admin = gateway.new_key("acme", Scope.ADMIN)
    assert gateway.get("/v1/webhooks/secrets").status_code == 403
    first = gateway.post("/v1/webhooks/secrets", key=admin).json()
    second = gateway.post("/v1/webhooks/secrets/rotate", key=admin, json={"overlap_seconds": 60}).json()
    listed = gateway.get("/v1/webhooks/secrets", key=admin)
    assert first["secret"] not in listed.text
    assert [one["id"] for one in listed.json()["secrets"]] == [first["id"], second["id"]]
    assert [bool(one["until"]) for one in listed.json()["secrets"]] == [True, False]
    active = gateway.producer.ledger.webhook_secrets.active("acme")
    assert active == [first["secret"], second["secret"]]
    gateway.post("/v1/webhooks/secrets/rotate", key=admin, json={"overlap_seconds": 0})
    assert len(gateway.producer.ledger.webhook_secrets.active("acme")) == 1
    for status in (204, 404):
        assert gateway("DELETE", f"/v1/webhooks/secrets/{second['id']}", key=admin).status_code == status
    assert gateway.get("/v1/webhooks/secrets", key=gateway.new_key("umbrella", Scope.ADMIN)).json() == {"secrets": []}


def test_a_tenants_own_secret_signs_its_webhooks(installation: Installation, receiver: Receiver) -> None:
    with serving(settings_of(installation)) as gateway, installation.worker():
        secret = gateway.post("/v1/webhooks/secrets", key=gateway.new_key("acme", Scope.ADMIN)).json()["secret"]
        form = {"gender": "1", "filter_id": "12", "webhook_url": receiver.url}
        files = {"image": ("me.jpg", sample_photographs()[0])}
        receiver.secret = secret
        swap = gateway.post("/v1/swaps", files=files, data=form).json()
        _, event = receiver.next()
    assert event.data.job_id == swap["id"]
    body, headers = receiver.raw[-1]
    assert verify(body, headers, secret)


def test_deliveries_in_trouble_are_listed_and_sent_again(gateway: Gateway) -> None:
    ledger, admin = gateway.producer.ledger, gateway.new_key("acme", Scope.ADMIN)
    swap = gateway.post("/v1/swaps", json=BODY | HOOK).json()
    gateway.post(swap["links"]["cancel"])
    job = gateway.producer.get(swap["id"])
    fields = {"notification": Notification.DEAD, "notify_attempts": 10}
    ledger.transitions.advance(job, Change(to=State.CANCELED, fields=fields, note="webhook dead"))
    [found] = gateway.get("/v1/webhooks/deliveries", key=admin).json()["deliveries"]
    assert (found["id"], found["notification"], found["event"]) == (swap["id"], "DEAD", "swap.canceled")
    other = gateway.new_key("umbrella", Scope.ADMIN)
    assert gateway.post("/v1/webhooks/deliveries/replay", key=other).json()["replayed"] == 0
    assert gateway.post("/v1/webhooks/deliveries/replay", key=admin).json()["replayed"] == 1
    assert gateway.producer.get(swap["id"]).notification is Notification.PENDING
    assert gateway.get("/v1/webhooks/endpoints", key=admin).json() == {"endpoints": []}


def test_the_description_is_the_committed_one_and_docs_load_nothing_from_elsewhere(gateway: Gateway) -> None:
    described = gateway.get("/openapi.json", key="").json()
    assert described["openapi"].startswith("3.1")
    shown = gateway.get("/docs", key="")
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script" not in shown.text
    assert all(path in shown.text for path in described["paths"])
    assert "src=" not in shown.text
    json.dumps(described)
