"""Paid calls whose outcome is unknown: what a person sees of them, and what each way out costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, pairwise
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from support.http.raw_server import Caller, RawServer
from support.jobs.factories import PHOTOGRAPH
from support.jobs.fakes import World
from support.jobs.publishers import NullPublisher
from support.redis.fixtures import new_job, waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import EventType, FailureCode, State
from swapline_producer.ledger.jobs.transitions import Transitions
from swapline_workers.adapters.vendor import VendorClient
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.programs.installation import Installation, Receiver
    from swapline_producer import Producer
    from swapline_producer.contract.answers import Advanced, CancelRequested, LostRace
    from swapline_producer.ledger import Ledger
    from swapline_simulator import Simulator

REPLY_LOST = "submit_closed_accepted"


def lost(installation: Installation, producer: Producer, mode: str = REPLY_LOST, **more: str) -> str:
    """Enqueue a job whose next submission is accepted, and its reply lost."""
    installation.vendor.control.set_mode(mode, next_submissions=1)
    return producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=1, filter_id=12, **more)).job_id


def held(installation: Installation, producer: Producer, mode: str = REPLY_LOST, **more: str) -> str:
    job_id = lost(installation, producer, mode, **more)
    waited_for(lambda: producer.get(job_id).state is State.HELD)
    return job_id


def at_the_vendor(vendor: Simulator) -> str:
    """The id that a person would find in the vendor's records."""
    [job] = vendor.control.report().jobs
    return job.id


def test_a_held_job_shows_what_was_sent_when_and_what_came_back_and_no_secret(installation: Installation) -> None:
    producer = installation.producer()
    with installation.worker():
        job_id = held(installation, producer, "submit_504_accepted")
    [listed] = installation.run_json("jobs", "list", "--state", "HELD")
    shown = installation.run_json("jobs", "show", job_id)
    known = listed["evidence"]
    assert known == shown["evidence"]
    assert (listed["job_id"], listed["failure_code"], known["attempt"]) == (job_id, "SUBMIT_UNKNOWN", 1)
    assert (known["sent"]["gender"], known["sent"]["filter_id"], known["sent"]["api_version"]) == (1, 12, "v6")
    assert known["sent"]["image"].startswith("inputs/")
    assert known["sent_at"] <= known["held_at"] < known["slot_held_until"]
    assert known["reply"]["status"] == 504
    assert "504" in known["reason"]
    names = [event["name"] for event in installation.run_json("jobs", "events", job_id)]
    assert names == ["queued", "slot", "attempt", "held"]
    for command in (("jobs", "list", "--state", "HELD"), ("jobs", "show", job_id)):
        printed = installation.cli(*command).stdout
        assert [word for word in (job_id, known["sent_at"], "504", "resolve", "replay") if word not in printed] == []
        assert installation.vendor.config.key not in printed
        assert max(len(word) for word in printed.split()) < 100  # and no picture


def test_a_job_that_is_found_at_the_vendor_goes_on_and_is_charged_once(
    installation: Installation, receiver: Receiver
) -> None:
    producer = installation.producer()
    with installation.worker():
        job_id = held(installation, producer, webhook_url=receiver.url)
        assert receiver.next()[1].type is EventType.HELD
        resolved = installation.run_json(
            "jobs", "resolve", job_id, "--vendor-job-id", at_the_vendor(installation.vendor)
        )
        assert (resolved["state"], resolved["credits"]) == ("RUNNING", 2)
        job = producer.wait(job_id, timeout=20)
        assert receiver.next()[1].type is EventType.SUCCEEDED
    assert (job.state, job.attempts, job.credits, job.failure_code) == (State.SUCCEEDED, 1, 2, None)
    assert installation.vendor.control.report().credits_spent == 2


def test_a_job_that_is_sent_again_is_charged_twice_and_only_on_a_persons_word(installation: Installation) -> None:
    producer = installation.producer()
    with installation.worker():
        job_id = held(installation, producer)
        refused = installation.cli("jobs", "replay", job_id, "--from", "submit")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "may be charged a second time" in refused.stderr
        assert "--accept-charge" in refused.stderr
        assert producer.get(job_id).state is State.HELD
        installation.run_json("jobs", "replay", job_id, "--from", "submit", "--accept-charge")
        job = producer.wait(job_id, timeout=20)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2)
    assert installation.vendor.control.report().credits_spent == 4
    [replayed] = [event for event in producer.events(job_id) if event.name == "replayed"]
    assert replayed.data["accepted_charge"] is True


@pytest.mark.parametrize("command", [("resolve", "--vendor-job-id", "x"), ("replay", "--from", "submit")])
def test_only_a_held_job_is_decided_on(installation: Installation, command: tuple[str, ...]) -> None:
    producer = installation.producer()
    job_id = producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=1, filter_id=12)).job_id
    verb, *options = command
    refused = installation.cli("jobs", verb, job_id, *options)
    assert refused.returncode == 1
    assert "is QUEUED, not HELD" in refused.stderr
    assert producer.get(job_id).state is State.QUEUED


def test_under_the_policy_retry_the_job_is_sent_again_by_itself(installation: Installation) -> None:
    installation.more["SWAPLINE_ON_AMBIGUOUS_SUBMIT"] = "retry"
    producer = installation.producer()
    with installation.worker():
        job = producer.wait(lost(installation, producer), timeout=20)
    assert (job.state, job.attempts) == (State.SUCCEEDED, 2)
    assert installation.vendor.control.report().credits_spent == 4
    assert [event.name for event in producer.events(job.job_id)].count("ambiguous") == 1


def test_under_the_policy_fail_the_job_ends_and_says_that_it_may_be_charged(
    installation: Installation, receiver: Receiver
) -> None:
    installation.more["SWAPLINE_ON_AMBIGUOUS_SUBMIT"] = "fail"
    producer = installation.producer()
    with installation.worker():
        job = producer.wait(lost(installation, producer, webhook_url=receiver.url), timeout=20)
        assert receiver.next()[1].data.failure_code is FailureCode.SUBMIT_UNKNOWN
    assert (job.state, job.failure_code, job.attempts) == (State.FAILED, FailureCode.SUBMIT_UNKNOWN, 1)
    assert installation.vendor.control.report().credits_spent == 2


def test_a_reply_that_comes_after_all_ends_the_hold_by_itself(installation: Installation) -> None:
    """A worker that was stopped in a paid call and continued brings the id; no person has to find it."""
    installation.more["SWAPLINE_RESCUE_AFTER"] = "1"
    installation.vendor.control.set_mode("submit_slow_accepted", amount=2, next_submissions=1)
    producer = installation.producer()
    with installation.worker() as frozen:
        job_id = producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=1, filter_id=12)).job_id
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions == 1)
        with frozen.frozen(), installation.worker():
            waited_for(lambda: producer.get(job_id).state is State.HELD)
        job = producer.wait(job_id, timeout=20)
    assert (job.state, job.attempts, job.credits, job.failure_code) == (State.SUCCEEDED, 1, 2, None)
    assert installation.vendor.control.report().credits_spent == 2


class Stopwatch(Transitions):
    """The real writes; notes when each had reached the ledger."""

    timestamps: list[float]

    def advance(self, *arguments: Any, **more: Any) -> Advanced | LostRace | CancelRequested:
        written = super().advance(*arguments, **more)
        self.timestamps.append(monotonic())
        return written


def test_the_times_around_a_paid_call_in_which_its_outcome_can_get_lost_are_milliseconds(
    ledger: Ledger, record_property: Callable[[str, object], None]
) -> None:
    """Between the attempt's record and the call's arrival, and between its reply and the record of the id."""
    ledger.transitions = stopwatch = Stopwatch(ledger.scripts)
    stopwatch.timestamps = []
    session = JobSession(ledger, NullPublisher(), schedule_wakeup=lambda _: None)

    def vendor(caller: Caller) -> None:
        caller.read_request()
        stopwatch.timestamps.append(monotonic())
        caller.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n" + b'{"id":"job-%02d","status":"QUEUED"}' % next(ids)
        )

    ids, ours = count(), []
    with RawServer(vendor) as server:
        client = VendorClient(base_url=server.url, key_header="X-Key", key=SecretStr("k"))
        for number in range(50):
            stopwatch.timestamps.clear()
            ledger.intake.accept(new_job(f"j{number}"))
            with session.lease(f"j{number}", 1) as opened:
                assert opened is not None
                ports = replace(World().ports, writes=session.writes, view=session.view, vendor=client)
                submit(opened.job, opened.at, ports)
            ledger.client.delete(f"{ledger.prefix}:slots")  # the next one needs the slot
            attempt, _, known = stopwatch.timestamps
            assert [later > sooner for sooner, later in pairwise(stopwatch.timestamps)] == [True, True]
            ours.append(known - attempt)
    record_property("milliseconds", {"median": median(ours) * 1000, "longest": max(ours) * 1000})  # for --junit-xml
    assert median(ours) < 0.05
