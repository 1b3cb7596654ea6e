"""The metrics of the system, compared with what the vendor and the receiver saw."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from support.jobs.factories import PHOTOGRAPH, enqueued
from support.redis.fixtures import new_job, waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import Priority, State, Step
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_producer.ledger import Ledger, connect
from swapline_workers.telemetry.metrics.collector import SystemCollector
from swapline_workers.telemetry.metrics.families import OUTCOMES

if TYPE_CHECKING:
    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_producer import Producer
    from swapline_producer.contract import Job
    from swapline_workers.local.valkey.server import EmbeddedValkey


def scraped(ledger: Ledger) -> dict[str, float]:
    """Every sample of a scrape, by `name` or `name{label}`."""
    registry = CollectorRegistry()
    registry.register(SystemCollector(ledger.stats.snapshot))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def resolve_held(installation: Installation, producer: Producer) -> None:
    """As a person does, with the vendor's records beside him: what it has is looked at, the rest is sent once more."""
    ledger, recovery = producer.ledger, producer.recovery
    known = {job.vendor_job_id for state in State for job in ledger.jobs.get_many(ledger.jobs.list_ids(state))}
    strange = {job.id for job in installation.vendor.control.report().jobs} - known
    for job_id in ledger.jobs.list_ids(State.HELD):
        if strange:
            recovery.resolve(job_id, strange.pop())
        else:
            recovery.replay(job_id, Step.SUBMIT, accept_charge=True)


def test_after_a_run_with_kills_the_counts_are_the_vendors_own(installation: Installation) -> None:
    producer, control = installation.producer(), installation.vendor.control
    ledger, figures = producer.ledger, producer.ledger.stats.snapshot
    control.change(service_time="fixed:0.3")
    control.set_mode("submit_closed_accepted", next_submissions=1)
    installation.more["SWAPLINE_RESCUE_AFTER"] = "1"
    enqueued(
        producer, 14, webhook_url=installation.receiver.url, run_timeout=20
    )  # as long do held jobs keep their three slots
    for completed in (3, 6):
        with installation.worker() as worker:
            waited_for(partial(lambda enough: ledger.stats.counters().get("completed", 0) >= enough, completed))
            worker.kill()
    with installation.worker():
        waited_for(lambda: figures().jobs[State.SUCCEEDED] + figures().jobs[State.HELD] == 14)
        waited_for(lambda: figures().webhooks_pending == 0)
        resolve_held(installation, producer)
        waited_for(lambda: figures().jobs[State.SUCCEEDED] == 14)
        waited_for(lambda: figures().webhooks_pending == 0)
    seen, served = control.report(), scraped(ledger)
    assert served["swapline_credits_spent_total"] == seen.credits_spent
    resolved = served["swapline_submissions_resolved_total"]
    assert served["swapline_submissions_total{accepted}"] + resolved == seen.accepted
    assert resolved >= 1
    # A worker can be killed before the call that it has counted leaves it: one of the unknown ones then.
    begun, unknown = served["swapline_submissions_begun_total"], served["swapline_submissions_total{unknown}"]
    assert begun - unknown <= seen.submissions <= begun
    # The same for a poll: three jobs may have been at work at each of the two kills.
    assert seen.polls <= served["swapline_polls_total"] <= seen.polls + 2 * 3
    assert served["swapline_jobs_accepted_total"] == served["swapline_jobs_finished_total{SUCCEEDED}"] == 14
    assert served["swapline_webhooks_total{delivered}"] == len(
        {hook["webhook-id"] for _, hook in installation.receiver.raw}
    )
    assert served["swapline_slots_used"] == served["swapline_jobs_waiting{normal}"] == 0


def test_every_paid_call_is_counted_by_what_became_of_it(installation: Installation) -> None:
    producer, control = installation.producer(), installation.vendor.control
    figures = producer.ledger.stats.snapshot
    with installation.worker():
        refused = SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=404_404)
        producer.wait(producer.enqueue(refused).job_id, timeout=30)
        for mode, so_far in (("submit_429", "submitted"), ("submit_500_accepted", "call:unknown")):
            control.set_mode(mode, next_submissions=1)
            enqueued(producer, webhook_url=installation.receiver.url)
            waited_for(partial(lambda name: figures().counts.get(name) == 1, so_far))
        waited_for(lambda: figures().jobs[State.SUCCEEDED] == 1)
    seen, served = control.report(jobs=False), scraped(producer.ledger)
    assert {name: served[f"swapline_submissions_total{{{name}}}"] for name in OUTCOMES} == {
        "accepted": 1,
        "uncharged": 1,
        "refused": 1,
        "unknown": 1,
    }
    assert served["swapline_submissions_begun_total"] == seen.submissions == 4
    assert served["swapline_refusals_total{throttled}"] == 1
    assert served["swapline_jobs_failed_total{FILTER_NOT_FOUND}"] == 1
    assert served["swapline_jobs{HELD}"] == 1


def test_the_time_of_a_slot_goes_to_those_who_had_it_or_to_what_kept_it_from_them(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=2, rescue_after=15))
    ledger.intake.accept(new_job("a"))
    time.pass_(3)  # no worker has read its message
    [message] = ledger.transitions.line_up(ledger.jobs.get("a")) or ()
    time.pass_(5)  # a has a slot; no job waits for the other one
    running = ledger.transitions.advance(ledger.jobs.get(message.job_id), Change(to=State.RUNNING, due_in=9))
    assert isinstance(running, Advanced)
    trip = BreakerTrip(kind="unauthorized", reason="no", wait=60)
    for job_id in ("b", "c", "d"):
        ledger.intake.accept(new_job(job_id))
    [mine] = ledger.transitions.line_up(ledger.jobs.get("b")) or ()
    ledger.transitions.advance(
        ledger.jobs.get(mine.job_id), Change(to=State.QUEUED, trip=trip, in_line=True, due_by="queue_until")
    )
    time.pass_(7)  # the breaker is open: one slot is free, three jobs wait
    found = ledger.stats.snapshot()
    assert found.used_seconds == 5 + 7
    assert found.idle_seconds == {"unread": 3, "breaker": 7}
    assert (found.breaker_kind, found.trips) == ("unauthorized", 1)
    assert (found.oldest_waiting, found.waiting[Priority.NORMAL]) == (7, 3)


def test_a_scrape_costs_the_same_however_many_jobs_there_are(ledger: Ledger) -> None:
    before = commands(ledger)
    ledger.intake.accept_many(new_job(f"j{number}") for number in range(2000))
    assert commands(ledger) == before


def commands(ledger: Ledger) -> int:
    """Redis commands that one scrape runs, script and all."""

    def so_far() -> int:
        return int(ledger.client.info("stats")["total_commands_processed"])

    ledger.stats.snapshot()  # the server may not have the script yet
    begun = so_far()
    ledger.stats.snapshot()
    return so_far() - begun


def test_a_ledger_that_is_away_is_reported_and_stops_no_scrape(valkey: EmbeddedValkey, prefix: str) -> None:
    nobody = Ledger(connect("redis://127.0.0.1:1"), prefix)
    assert scraped(nobody) == {"swapline_ledger_up": 0}
    assert scraped(Ledger(connect(valkey.url), prefix))["swapline_ledger_up"] == 1


def moved(ledger: Ledger, job: Job, change: Change) -> Job:
    advanced = ledger.transitions.advance(job, change)
    assert isinstance(advanced, Advanced)
    return advanced.job


def test_jobs_whose_polls_bring_no_news_are_counted_once_each_and_for_five_minutes(ledger: Ledger, time: Time) -> None:
    def running(job_id: str) -> Job:
        ledger.intake.accept(new_job(job_id))
        assert ledger.transitions.line_up(ledger.jobs.get(job_id))
        return moved(ledger, ledger.jobs.get(job_id), Change(to=State.RUNNING, due_in=9))

    no_news = Change(to=State.RUNNING, due_in=9, count={"polls": 1, "polls.failed": 1})
    ledger.limits.configure(Limits(max_in_flight=2, rescue_after=15))
    a, b = running("a"), running("b")
    assert ledger.stats.snapshot().polls_failing_jobs == 0
    for _ in range(3):
        a = moved(ledger, a, no_news)
    assert ledger.stats.snapshot().polls_failing_jobs == 1
    time.pass_(200)
    moved(ledger, b, no_news)
    assert scraped(ledger)["swapline_polls_failing_jobs"] == 2
    time.pass_(101)
    assert ledger.stats.snapshot().polls_failing_jobs == 1
