"""Batches over real HTTP: rows are streamed in both directions, and the same rows are found again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.services.gateways import BODY, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def rows(number: int) -> Iterator[bytes]:
    for n in range(number):
        yield json.dumps(BODY | {"metadata": {"n": str(n)}}).encode() + b"\n"


def sent(gateway: Gateway, data: Iterable[bytes] | bytes, query: str = "?name=spring") -> list[dict[str, Any]]:
    answer = gateway.post(f"/v1/batches{query}", data=data, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_each_row_is_answered_and_sent_again_it_is_found_again(gateway: Gateway) -> None:
    *first, total = sent(gateway, rows(1200))
    assert total == {"batch": "spring", "rows": 1200, "enqueued": 1200, "refused": 0}
    assert [line["row"] for line in first] == list(range(1, 1201))
    assert all(line["created"] for line in first)
    *again, _ = sent(gateway, rows(1200))
    assert [line["id"] for line in again] == [line["id"] for line in first]
    assert not any(line["created"] for line in again)
    batch = gateway.get("/v1/batches/spring").json()
    assert (batch["jobs"], batch["finished"], batch["states"]) == (1200, 0, {"QUEUED": 1200})
    assert set(gateway.producer.ledger.batches.job_ids("spring", "acme")) == {line["id"] for line in first}


def test_a_bad_row_stops_no_other(gateway: Gateway) -> None:
    good = json.dumps(BODY).encode()
    bad = [b"{", b"[]", json.dumps(BODY | {"gender": 9}).encode(), json.dumps(BODY | {"tenant": "umbrella"}).encode()]
    *lines, total = sent(gateway, b"\n".join([bad[0], good, *bad[1:], b"", good, bad[0]]))
    assert total == {"batch": "spring", "rows": 7, "enqueued": 2, "refused": 5}
    assert [line["row"] for line in lines] == list(range(1, 8))
    assert [line["row"] for line in lines if "id" in line] == [2, 6]
    assert [line["problem"].get("field") for line in lines if "problem" in line] == [
        "row",
        "row",
        "gender",
        "tenant",
        "row",
    ]


def test_a_batch_without_a_name_gets_one(gateway: Gateway) -> None:
    assert sent(gateway, b"", "")[-1]["batch"].startswith("batch-")
    [line, total] = sent(gateway, rows(1), "")
    assert gateway.get(f"/v1/swaps/{line['id']}").json()["batch"] == total["batch"]


def test_a_row_that_is_too_long_ends_the_batch_and_is_told(gateway: Gateway) -> None:
    key = gateway.new_key("acme", max_body=2000)
    data = b"".join([*rows(1), b'{"image": "' + b"x" * 100_000])
    answer = gateway.post("/v1/batches?name=a", data=data, key=key)
    *lines, total = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["row"] for line in lines] == [1]
    assert total["problem"]["field"] == "row"


def test_a_batch_is_sealed_and_canceled(gateway: Gateway) -> None:
    sent(gateway, rows(3), "?name=of/slashes")
    sealed = gateway.post("/v1/batches/of%2Fslashes/seal", json={"webhook_url": "http://127.0.0.1:9/hook"})
    assert sealed.json() == {"batch": "of/slashes", "jobs": 3, "finished": 0, "completed": False}
    canceled = gateway.post("/v1/batches/of%2Fslashes/cancel").json()
    assert (canceled["canceled"], canceled["charged"]) == (3, 0)
    assert gateway.get("/v1/batches/of%2Fslashes").json()["finished"] == 3
    assert gateway.post("/v1/batches/of%2Fslashes/seal", json={"webhook_url": "nowhere"}).status_code == 422


def test_anothers_batch_is_not_there(gateway: Gateway) -> None:
    sent(gateway, rows(1))
    other = gateway.new_key("umbrella")
    for method, path in (("GET", ""), ("POST", "/cancel")):
        assert gateway(method, f"/v1/batches/spring{path}", key=other).status_code == 404
