"""A batch belongs to a tenant: under the same name another one has a batch of its own, and sees nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.publishers import NullPublisher
from support.redis.fixtures import new_job
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.client.batches.results import outlines
from swapline_producer.contract import State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import BatchNotFound
from swapline_producer.ledger import JobFilter
from swapline_producer.retention.purge import Purge, PurgeSelector
from swapline_producer.testing import FakeProducer, memory_storage
from swapline_workers.board.facts.finding import find
from swapline_workers.board.facts.listing import Filters, listing

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger

MINE, THEIRS = "https://acme.example/hook", "https://other.example/hook"


def enqueue(ledger: Ledger, job_id: str, tenant: str, **more: Any) -> None:
    ledger.intake.accept(new_job(job_id, tenant=tenant, **{"batch": "spring", **more}))


def end(ledger: Ledger, job_id: str) -> None:
    change = Change(to=State.SUCCEEDED, fields={"credits": 2})
    assert isinstance(ledger.transitions.advance(ledger.jobs.get(job_id), change), Advanced)


def request(tenant: str) -> SwapRequest:
    return SwapRequest(image="https://a.example/a.jpg", gender=0, filter_id=1, tenant=tenant, batch="spring")


@pytest.mark.parametrize("kind", ["real", "fake"])
def test_another_tenant_joins_no_batch_through_its_view_and_seals_none(ledger: Ledger, kind: str) -> None:
    real = Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, NullPublisher(), memory_storage())
    producer = real if kind == "real" else FakeProducer()
    mine, theirs = producer.for_tenant("acme"), producer.for_tenant("other")
    job_id = mine.enqueue(request("acme")).job_id
    with pytest.raises(BatchNotFound):
        theirs.seal_batch("spring", THEIRS)
    assert theirs.enqueue(request("other")).created
    assert producer.ledger.batches.job_ids("spring", "acme") == [job_id]
    assert mine.seal_batch("spring", MINE).jobs == 1
    assert theirs.seal_batch("spring", THEIRS).jobs == 1


def test_sealing_under_the_same_name_redirects_nothing(ledger: Ledger) -> None:
    enqueue(ledger, "a", "acme")
    enqueue(ledger, "o", "other")
    ledger.batches.seal("spring", MINE, "acme")
    ledger.batches.seal("spring", THEIRS, "other")
    end(ledger, "o")
    assert ledger.batches.completed("spring", "acme") is None
    end(ledger, "a")
    batches = [ledger.batches.completed("spring", tenant) for tenant in ("acme", "other")]
    assert [(one.tenant, one.webhook_url, one.counts.jobs, one.record_id) for one in batches if one] == [
        ("acme", MINE, 1, "batch:acme:spring"),
        ("other", THEIRS, 1, "batch:other:spring"),
    ]


def test_no_name_of_a_batch_is_another_tenants_batch(ledger: Ledger) -> None:
    enqueue(ledger, "a", "acme", batch="x:spring")
    enqueue(ledger, "b", "acme", batch="spring")
    enqueue(ledger, "c", "x", batch="spring")
    enqueue(ledger, "d", "x", batch="acme:spring")
    found = [ledger.batches.job_ids(*one) for one in (("x:spring", "acme"), ("spring", "acme"), ("spring", "x"))]
    assert found == [["a"], ["b"], ["c"]]


def test_a_view_of_a_batch_has_its_tenants_jobs_only(ledger: Ledger) -> None:
    enqueue(ledger, "a", "acme")
    enqueue(ledger, "o", "other")
    assert [job.job_id for job in outlines(ledger, "spring", "acme")] == ["a"]
    with pytest.raises(BatchNotFound, match="of tenant 'default'"):
        list(outlines(ledger, "spring", "default"))


def test_a_filter_finds_the_batches_of_the_tenants_it_names_or_of_all(ledger: Ledger) -> None:
    enqueue(ledger, "a", "acme")
    enqueue(ledger, "o", "other")
    enqueue(ledger, "n", "acme", batch="summer")
    wanted = {("acme",): ["a"], ("acme", "other"): ["a", "o"], (): ["a", "o"], ("missing",): []}
    for tenants, expected in wanted.items():
        found = JobFilter(batch="spring", tenants=tenants)
        assert ledger.search.find(found, limit=9, oldest_first=True) == expected
        assert [job.job_id for job in ledger.jobs.get_many(["a", "n", "o"]) if found.fits(job)] == expected


def test_the_board_shows_whose_batch_it_is(ledger: Ledger) -> None:
    enqueue(ledger, "a", "acme")
    enqueue(ledger, "o", "other")
    assert [(one.tenant, one.name, one.jobs) for one in find(ledger, "spring").batches] == [
        ("acme", "spring", 1),
        ("other", "spring", 1),
    ]
    assert [one.tenant for one in find(ledger, "acme/spring").batches] == ["acme"]
    for tenant, expected in (("acme", ["a"]), ("", ["a", "o"])):
        assert sorted(row.job_id for row in listing(ledger, Filters(batch="spring", tenant=tenant)).rows) == expected


def test_a_purge_of_one_tenants_batch_leaves_the_others(ledger: Ledger) -> None:
    for job_id, tenant in (("a", "acme"), ("o", "other")):
        enqueue(ledger, job_id, tenant)
        end(ledger, job_id)
    Purge(ledger, NullPublisher(), memory_storage()).run(PurgeSelector(job_ids=("a",)))
    assert (ledger.batches.job_ids("spring", "acme"), ledger.batches.job_ids("spring", "other")) == ([], ["o"])
    assert ledger.batches.seal("spring", THEIRS, "other").completed
