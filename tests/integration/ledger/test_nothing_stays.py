"""What the ledger keeps for ever: nothing that names a job, tenant, batch, endpoint or picture that is no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.http.raw_server import free_port
from support.redis.fixtures import new_job, waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import FailureCode, State
from swapline_producer.contract.answers import Endpoint
from swapline_producer.contract.changes import Change
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    import redis

    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_producer import Producer
    from swapline_producer.ledger import Ledger

JOB_TTL_S = 10


def members(client: redis.Redis, name: str) -> list[str]:
    """Return the names in a key: fields and values of a hash, members of a sorted set, entries of a list."""
    kind: Any = client.type(name)
    if kind == "hash":
        fields: Any = client.hgetall(name)
        return [text for pair in fields.items() for text in pair]
    found: Any = client.zrange(name, 0, -1) if kind == "zset" else client.lrange(name, 0, -1) if kind == "list" else []
    return list(found)


def remaining(producer: Producer, names: list[str]) -> list[str]:
    """Return the keys that never expire and that name one of `names` (or hold one in a member), with that name."""
    client = producer.ledger.client
    client.delete(f"{producer.ledger.prefix}:trimmed", f"{producer.ledger.prefix}:swept")  # as if a minute had passed
    return [
        f"{key}: {name}"
        for key in client.scan_iter(f"{producer.ledger.prefix}:*")
        if client.ttl(key) == -1
        for name in names
        if name in key or any(name in member for member in members(client, key))
    ]


def test_nothing_stays_of_jobs_tenants_batches_endpoints_and_pictures(installation: Installation) -> None:
    installation.more |= {
        "SWAPLINE_JOB_TTL": f"{JOB_TTL_S}",
        "SWAPLINE_INPUT_TTL": "1",
        "SWAPLINE_RESULT_TTL": "1",
        "SWAPLINE_WEBHOOK_SCHEDULE": "0,0.1",
        "SWAPLINE_CREDITS_PER_DAY": "1000",
    }
    hook, dead = installation.receiver.url, f"http://127.0.0.1:{free_port()}/dead"
    installation.receiver.answers = [410, 500, 500]
    photographs = sample_photographs()
    producer = installation.producer()
    ids: list[str] = []
    for number in range(8):
        request = SwapRequest(
            image=photographs[number % len(photographs)],
            gender=0,
            filter_id=12,
            tenant=f"acme-{number % 4}",
            webhook_url=(hook, dead)[number % 2],
            batch=f"spring-{number % 2}",
            idempotency_key=f"customer-{number}",
            metadata={"n": "metadata-of-it"},
        )
        ids.append(producer.enqueue(request).job_id)
    assert installation.cli("jobs", "cancel", ids[-1]).returncode == 0  # by its settings, INPUT_TTL among them
    producer.for_tenant("acme-0").seal_batch("spring-0", webhook_url=hook)
    producer.for_tenant("acme-1").seal_batch("spring-1", webhook_url=dead)
    with installation.worker():
        assert all(job.state.finished for job in producer.wait_many(ids, timeout=60))
        vendor_ids = [job.id for job in installation.vendor.control.report().jobs]
        names = [*ids, *vendor_ids, "acme-", "spring-", "customer-", "metadata-of-it", "ep_", "inputs/", "results/"]
        waited_for(lambda: remaining(producer, names) == [])
    counters = producer.ledger.stats.counters()
    assert (counters["endpoints_disabled"], counters["batches_completed"], counters["finished.CANCELED"]) == (1, 2, 1)


def test_the_last_job_of_a_batch_whose_record_has_expired_leaves_no_new_record(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", batch="spring"))
    record = f"{ledger.prefix}:job:batch:default:spring"
    assert ledger.client.delete(record) == 1
    ledger.transitions.advance(ledger.jobs.get("a"), Change(to=State.FAILED, fields={"failure_code": FailureCode.LOST}))
    assert not ledger.client.exists(record)


@pytest.mark.parametrize("gone", [True, False])
def test_an_endpoint_expires_with_the_records_of_jobs_after_its_last_failure(ledger: Ledger, *, gone: bool) -> None:
    endpoint = Endpoint(endpoint_id="ep_1", tenant="acme", address="https://shop.example/hook", error="410", status=410)
    for _ in range(2):
        assert ledger.webhooks.endpoint_failed(endpoint, gone=gone, patience=0 if gone else 100) is gone
    thirty_days = pytest.approx(30 * 86_400, abs=60)
    assert ledger.client.ttl(f"{ledger.prefix}:endpoint:ep_1") == thirty_days
    assert ledger.client.ttl(f"{ledger.prefix}:endpoints") == thirty_days


def test_the_index_of_endpoints_loses_those_that_have_expired(ledger: Ledger, time: Time) -> None:
    for number in range(3):
        endpoint = Endpoint(endpoint_id=f"ep_{number}", tenant="acme", address="https://shop.example/hook")
        ledger.webhooks.endpoint_failed(endpoint, gone=True, patience=0)
        time.pass_(20 * 86_400)
    assert ledger.client.zrange(f"{ledger.prefix}:endpoints", 0, -1) == ["ep_1", "ep_2"]


def test_endpoints_are_listed_with_the_longest_failing_one_first(ledger: Ledger, time: Time) -> None:
    endpoints = [Endpoint(endpoint_id=f"ep_{n}", tenant="acme", address="https://shop.example/hook") for n in range(3)]
    for endpoint in (*endpoints, endpoints[0]):
        ledger.webhooks.endpoint_failed(endpoint, gone=False, patience=100)
        time.pass_(1)
    assert [endpoint.endpoint_id for endpoint in ledger.webhooks.endpoints()] == ["ep_0", "ep_1", "ep_2"]
    assert [endpoint.endpoint_id for endpoint in ledger.webhooks.endpoints(limit=2)] == ["ep_0", "ep_2"]
