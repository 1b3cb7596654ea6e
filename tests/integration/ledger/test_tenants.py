"""Ids cannot be guessed, and in one tenant's view another's jobs are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.jobs.publishers import NullPublisher
from support.pictures.pngs import png
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.client.drafting import new_job_id
from swapline_producer.errors import JobNotFound, RequestError
from swapline_producer.testing import FakeProducer, memory_storage

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger


def request(tenant: str) -> SwapRequest:
    return SwapRequest(image=png(), gender=0, filter_id=1, tenant=tenant, idempotency_key="the same")


@pytest.mark.parametrize("kind", ["real", "fake"])
def test_another_tenants_job_is_not_there_whoever_knows_its_id(ledger: Ledger, kind: str) -> None:
    real = Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, NullPublisher(), memory_storage())
    producer = real if kind == "real" else FakeProducer()
    mine, others = producer.for_tenant("acme"), producer.for_tenant("other")
    job_id = mine.enqueue(request("acme")).job_id
    assert mine.get(job_id).tenant == "acme"
    assert others.enqueue(request("other")).job_id != job_id  # an idempotency key is its tenant's own
    for ask in (others.get, others.events, others.wait, others.cancel, others.picture):
        with pytest.raises(JobNotFound) as refused:
            ask(job_id)
        with pytest.raises(JobNotFound) as unknown:
            ask("0" * 32)
        assert str(refused.value).replace(job_id, "0" * 32).partition(";")[0].rstrip(".") == str(
            unknown.value
        ).partition(";")[0].rstrip(".")
    with pytest.raises(RequestError, match="in its name"):
        others.enqueue(request("acme"))
    assert mine.cancel(job_id).done
    assert mine.wait(job_id, 5).state == "CANCELED"
    assert mine.events(job_id)


def test_who_has_a_thousand_ids_of_the_same_millisecond_knows_nothing_of_the_next() -> None:
    """80 bits of every id are chance: all differ, and each bit is set in about half of them."""
    rng = [int(new_job_id()[12:], 16) for _ in range(1000)]
    assert len(set(rng)) == 1000
    for bit in range(80):
        assert 350 < sum(one >> bit & 1 for one in rng) < 650  # ten deviations from the middle
