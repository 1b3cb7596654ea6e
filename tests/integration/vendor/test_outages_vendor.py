"""The vendor, or the way to it, is out of order. Each test is a row of docs/failure-modes.md."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from chaos.proxy import Fault, Proxies, Proxy
from support.jobs.factories import enqueued
from support.pictures.pngs import png
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import FailureCode, Priority, State

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.programs.installation import Installation
    from swapline_producer import Producer
    from swapline_producer.contract import Job


@pytest.fixture
def wire(installation: Installation) -> Generator[Proxy]:
    """What lies between the workers and the vendor."""
    with Proxies() as proxies:
        port = int(installation.vendor.url.rpartition(":")[2])
        proxy = proxies.between("vendor", port)
        installation.more["SWAPLINE_API_BASE_URL"] = f"http://127.0.0.1:{proxy.port}"
        yield proxy


def ended(producer: Producer, jobs: list[str]) -> list[Job]:
    return [producer.wait(job_id, timeout=40) for job_id in jobs]


def spent(installation: Installation) -> int:
    return installation.vendor.control.report(jobs=False).credits_spent


def test_while_the_vendor_cannot_be_reached_jobs_wait_uncharged(installation: Installation, wire: Proxy) -> None:
    producer = installation.producer()
    away = wire.order(Fault.REFUSE)
    with installation.worker() as worker:
        jobs = enqueued(producer, 3)
        waited_for(lambda: producer.ledger.limits.slots().trips >= 1)
        assert "could not be reached" in (producer.ledger.limits.slots().reason or "")
        waited_for(lambda: producer.ledger.limits.slots().in_flight == ())  # no slot is kept while nothing can be sent
        wire.lift(away)
        done = ended(producer, jobs)
    assert [(job.state, job.credits) for job in done] == [(State.SUCCEEDED, 2)] * 3
    assert spent(installation) == 6
    assert "Traceback" not in worker.log()


def test_a_vendor_that_goes_away_while_jobs_run_is_no_news(installation: Installation, wire: Proxy) -> None:
    installation.vendor.control.change(service_time="fixed:1")
    producer = installation.producer()
    with installation.worker():
        jobs = enqueued(producer, 3)
        waited_for(lambda: producer.ledger.stats.census()[State.RUNNING] == 3)
        away = wire.order(Fault.REFUSE)
        waited_for(lambda: producer.ledger.stats.counters().get("polls.failed", 0) >= 3)
        wire.lift(away)
        done = ended(producer, jobs)
    assert [(job.state, job.attempts) for job in done] == [(State.SUCCEEDED, 1)] * 3
    assert spent(installation) == 6


def test_a_vendor_that_swallows_a_submission_makes_it_ambiguous_and_a_swallowed_poll_is_no_news(
    installation: Installation, wire: Proxy
) -> None:
    installation.more |= {"SWAPLINE_SUBMIT_TIMEOUT": "1", "SWAPLINE_STATUS_TIMEOUT": "1"}
    installation.vendor.control.change(service_time="fixed:0.5")
    producer = installation.producer()
    with installation.worker():
        wire.order(Fault.SILENCE, match=b"/status/", times=1)
        [polled_at] = ended(producer, enqueued(producer))
        wire.order(Fault.SILENCE, match=b"/run/face_swap", times=1)
        [swallowed] = enqueued(producer)
        waited_for(lambda: producer.get(swallowed).state is State.HELD)
    assert polled_at.state is State.SUCCEEDED
    assert producer.ledger.stats.counters()["polls.failed"] == 1
    assert producer.get(swallowed).attempts == 1


def test_a_key_that_is_revoked_and_restored_fails_no_job(installation: Installation) -> None:
    control = installation.vendor.control
    control.change(service_time="fixed:1")
    producer = installation.producer()
    with installation.worker():
        running = enqueued(producer, 2)
        waited_for(lambda: producer.ledger.stats.census()[State.RUNNING] == 2)
        control.change(key="another")
        waiting = enqueued(producer, 2)
        waited_for(lambda: "SWAPLINE_API_KEY" in (producer.ledger.limits.slots().reason or ""))
        submissions = control.report(jobs=False).submissions
        assert {producer.get(job_id).state for job_id in running} == {State.RUNNING}
        control.change(key=installation.vendor.config.key)
        done = ended(producer, running + waiting)
    assert [(job.state, job.credits) for job in done] == [(State.SUCCEEDED, 2)] * 4
    assert submissions <= 3  # two that were accepted, and at most one that met the closed door
    assert spent(installation) == 8


REFUSED_ALONE = {
    "submit_401": FailureCode.UNAUTHORIZED,
    "submit_402": FailureCode.OUT_OF_CREDITS,
    "submit_403": FailureCode.UNAUTHORIZED,
    "submit_404": FailureCode.VENDOR_REJECTED,
    "submit_429": FailureCode.VENDOR_REJECTED,
}


def test_photographs_that_the_vendor_refuses_stop_no_other_and_fail_with_its_words(installation: Installation) -> None:
    control, producer = installation.vendor.control, installation.producer()
    refused = {}
    for number, mode in enumerate(REFUSED_ALONE):
        photograph = png(300, 300 + number)
        control.set_mode(mode, picture=sha256(photograph).hexdigest())
        request = SwapRequest(image=photograph, gender=0, filter_id=12, priority=Priority.HIGH)
        refused[mode] = producer.enqueue(request).job_id
    healthy = enqueued(producer, 12)
    with installation.worker() as worker:
        done = ended(producer, healthy)
        while not all(producer.get(job_id).state.finished for job_id in refused.values()):
            done += ended(producer, enqueued(producer, 6))  # a refusal is a job's own while others are accepted
        failed = {mode: producer.get(job_id) for mode, job_id in refused.items()}
    assert {job.state for job in done} == {State.SUCCEEDED}
    assert {mode: job.failure_code for mode, job in failed.items()} == REFUSED_ALONE
    for mode, job in failed.items():
        assert (job.state, job.credits) == (State.FAILED, 0)
        assert f"the vendor answered {mode[-3:]}" in (job.failure_detail or "")
    assert spent(installation) == 2 * len(done)
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("says", ["429", "400"])
def test_a_cap_below_ours_is_found_by_itself_and_costs_nothing(installation: Installation, says: str) -> None:
    installation.vendor.control.change(cap=1, service_time="fixed:0.3", over_cap=says)
    producer = installation.producer()
    with installation.worker():
        done = ended(producer, enqueued(producer, 4))
    assert [(job.state, job.credits) for job in done] == [(State.SUCCEEDED, 2)] * 4
    report = installation.vendor.control.report(jobs=False)
    assert (report.credits_spent, report.max_in_flight) == (8, 1)
