"""The metrics of the system, compared with what the vendor and the receiver saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from servers import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State
from swapline_simulator import sample_photographs
from swapline_workers.metrics.collector import SystemCollector

if TYPE_CHECKING:
    from installation import Installation
    from swapline_producer import Producer
    from swapline_producer.ledger import Ledger

PHOTOGRAPH = sample_photographs()[0]


def scraped(ledger: Ledger) -> dict[str, float]:
    """Every sample of a scrape, by `name` or `name{label}`."""
    registry = CollectorRegistry()
    registry.register(SystemCollector(ledger.figures))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def enqueued(producer: Producer, number: int, hook: str) -> list[str]:
    request = SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12, webhook_url=hook)
    return [producer.enqueue(request).job_id for _ in range(number)]


def test_after_a_run_with_kills_the_counts_are_the_vendors_own(installation: Installation) -> None:
    producer, control = installation.producer(), installation.vendor.control
    control.change(service_time="fixed:0.3")
    installation.more["SWAPLINE_RESCUE_AFTER"] = "1"
    jobs = enqueued(producer, 30, installation.receiver.url)
    for round_ in range(1, 5):
        with installation.worker() as worker:
            waited_for(lambda so_far=round_ * 6: producer.ledger.counters().get("completed", 0) >= so_far)
            worker.kill()
    ledger = producer.ledger

    def settled() -> bool:
        return all(job.state.finished or job.state is State.HELD for job in ledger.get_many(jobs))

    with installation.worker():
        waited_for(settled)
        resolve_held(installation, producer)
        waited_for(lambda: ledger.figures().jobs[State.SUCCEEDED] == 30)
        waited_for(lambda: ledger.figures().webhooks_pending == 0)
    seen, told = control.report(), scraped(ledger)
    assert told["swapline_credits_spent_total"] == seen.credits_spent == 60
    accepted = told["swapline_submissions_total{accepted}"] + told["swapline_submissions_resolved_total"]
    assert accepted == seen.accepted == 30
    assert told["swapline_submissions_begun_total"] >= seen.submissions
    print({k:v for k,v in told.items() if 'bucket' not in k}, seen.looks, seen.submissions)


def resolve_held(installation: Installation, producer: Producer) -> None:
    """As a person does: with the vendor's records beside him."""
    records = {job.vendor_job_id for job in producer.ledger.get_many(producer.ledger.list_ids(State.RUNNING))}
