"""What `swapline jobs replay` does to real jobs, what it costs, and what it refuses."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.factories import PHOTOGRAPH
from support.programs.installation import SWAPLINE
from support.programs.processes import start
from support.redis.fixtures import new_job, waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import Canceling, FailureCode, Job, Notification, State, Step
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.ledger import JobFilter
from swapline_producer.operations.recovery import REPEATED

if TYPE_CHECKING:
    from support.programs.installation import Installation, Receiver
    from swapline_producer import Producer
    from swapline_producer.contract.changes import JobFields
    from swapline_producer.ledger import Ledger


def ended(producer: Producer, **more: Any) -> Job:
    enqueued = producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=1, filter_id=12, **more))
    return producer.wait(enqueued.job_id, timeout=60)


def spent(installation: Installation) -> int:
    return installation.vendor.control.report(jobs=False).credits_spent


def test_a_job_that_timed_out_is_polled_again_for_nothing(installation: Installation, receiver: Receiver) -> None:
    installation.vendor.control.change(service_time="fixed:1")
    producer = installation.producer()
    with installation.worker():
        job = ended(producer, run_timeout=0.2, webhook_url=receiver.url)
        assert (job.state, receiver.next()[1].type) == (State.TIMED_OUT, "swap.timed_out")
        waited_for(lambda: installation.vendor.control.report(jobs=False).in_flight == 0)
        replayed = installation.run_json("jobs", "replay", job.job_id, "--from", "poll")
        assert (replayed["state"], replayed["failure_code"]) == ("STORING", None)
        done = producer.wait(job.job_id, timeout=30)
        assert receiver.next()[1].type == "swap.succeeded"
    assert (done.state, done.credits, done.attempts, done.slot) == (State.SUCCEEDED, 2, 1, False)
    assert len(installation.stored(done.images[0].key)) == done.images[0].bytes
    assert spent(installation) == 2


def test_a_job_that_the_vendor_still_works_on_has_its_slot_again_and_goes_on(installation: Installation) -> None:
    installation.vendor.control.change(service_time="fixed:3600")
    producer = installation.producer()
    with installation.worker():
        job = ended(producer, run_timeout=0.2)
        producer.recovery.replay(job.job_id, Step.POLL)
        waited_for(lambda: job.job_id in producer.ledger.limits.slots().in_flight)
        assert producer.get(job.job_id).state is State.RUNNING
        assert "runs after all" in [event.name for event in producer.events(job.job_id)]
    assert spent(installation) == 2


def test_a_job_that_the_vendor_has_forgotten_ends_lost_again_and_not_never(installation: Installation) -> None:
    installation.more["SWAPLINE_LOST_AFTER"] = "0"
    installation.vendor.control.set_mode("status_404_after_ttl", amount=0)
    producer = installation.producer()
    with installation.worker():
        job = ended(producer)
        assert (job.state, job.failure_code) == (State.FAILED, FailureCode.LOST)
        producer.recovery.replay(job.job_id, Step.POLL)
        again = producer.wait(job.job_id, timeout=60)
        assert (again.state, again.failure_code) == (State.FAILED, FailureCode.LOST)
        installation.vendor.control.clear_modes()
        producer.recovery.replay(job.job_id, Step.POLL)
        assert producer.wait(job.job_id, timeout=30).state is State.SUCCEEDED
    assert spent(installation) == 2


@pytest.mark.parametrize("step", [Step.POLL, Step.FINALIZE])
def test_pictures_that_are_gone_are_read_and_stored_again_and_those_that_are_there_are_not(
    installation: Installation, step: Step
) -> None:
    producer = installation.producer()
    with installation.worker():
        job = ended(producer)
        path, key = installation.store / job.images[0].key, job.images[0].key
        refused = installation.cli("jobs", "replay", job.job_id, "--from", step)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "its pictures are in object storage" in refused.stderr
        picture = path.read_bytes()
        path.unlink()
        producer.recovery.replay(job.job_id, step)
        assert producer.wait(job.job_id, timeout=30).images[0].key == key
        assert path.read_bytes() == picture
    assert spent(installation) == 2


def test_a_job_is_only_paid_again_on_a_persons_word(installation: Installation) -> None:
    installation.vendor.control.change(service_time="fixed:1")
    producer = installation.producer()
    with installation.worker():
        job = ended(producer, run_timeout=0.2, idempotency_key="order-1")
        refused = installation.cli("jobs", "replay", job.job_id, "--from", "submit")
        assert refused.returncode == 1
        assert "would cost 2 credits, beside the 2 that it has cost: say --accept-charge" in refused.stderr
        assert "--from poll" in refused.stderr
        installation.vendor.control.change(service_time="fixed:0.05")
        producer.ledger.client.hset(f"{installation.prefix}:job:{job.job_id}", "run_timeout_ms", 60_000)
        producer.recovery.replay(job.job_id, Step.SUBMIT, accept_charge=True)
        done = producer.wait(job.job_id, timeout=30)
    assert (done.state, done.attempts, done.credits) == (State.SUCCEEDED, 2, 4)
    assert spent(installation) == 4
    assert (
        producer.enqueue(
            SwapRequest(image=PHOTOGRAPH, gender=1, filter_id=12, run_timeout=0.2, idempotency_key="order-1")
        ).job_id
        == job.job_id
    )


def test_the_record_of_a_job_that_goes_on_is_kept_until_it_has_ended_again(installation: Installation) -> None:
    producer = installation.producer()
    [job_id] = failed(producer.ledger, 1, notification=Notification.DELIVERED)
    record, log = (f"{installation.prefix}:{kind}:{job_id}" for kind in ("job", "log"))
    ttl = producer.ledger.client.ttl
    assert (ttl(record) > 0, ttl(log) > 0) == (True, True)
    job = producer.recovery.replay(job_id, Step.POLL)
    assert (ttl(record), ttl(log)) == (-1, -1)
    assert isinstance(producer.ledger.transitions.advance(job, Change(to=State.FAILED)), Advanced)
    assert (ttl(record) > 0, ttl(log) > 0) == (True, True)


# -- many at once: no worker is needed to see what is moved ---------------------------------------------------


def failed(ledger: Ledger, number: int, code: FailureCode = FailureCode.RUN_TIMEOUT, **fields: Any) -> list[str]:
    """Return jobs that ended without success."""
    ids = []
    for place in range(number):
        job_id = f"{code.lower()}{place:04}"
        ledger.intake.accept(new_job(job_id, webhook_url="https://shop.example/hook"))
        change = Change(
            to=State.FAILED,
            fields={"failure_code": code, "vendor_job_id": f"v-{job_id}", "notification": Notification.DEAD, **fields},
        )
        assert isinstance(ledger.transitions.advance(ledger.jobs.get(job_id), change), Advanced)
        ids.append(job_id)
    return ids


def test_a_dry_run_says_how_many_and_what_it_costs_and_moves_nothing(installation: Installation) -> None:
    ledger = installation.producer().ledger
    failed(ledger, 5)
    failed(ledger, 2, FailureCode.FILTER_BLOCKED, vendor_job_id=None)
    submit = installation.run_json("jobs", "replay", "--from", "submit", "--state", "FAILED", "--dry-run")
    assert (submit["jobs"], submit["credits"], submit["not_possible"]) == (7, 14, 0)
    poll = installation.cli("jobs", "replay", "--from", "poll", "--state", "FAILED", "--dry-run")
    assert poll.returncode == 1
    assert "5 jobs would be replayed from poll, free of charge" in poll.stdout
    assert "never got an id at the vendor; only --from submit runs it again" in poll.stdout
    assert ledger.stats.census()[State.FAILED] == 7


@pytest.mark.parametrize("step", Step)
def test_a_dry_run_says_of_each_job_what_the_replay_then_says(installation: Installation, step: Step) -> None:
    """A dry run reads a little of each job, a replay reads it whole: both must come to the same end."""
    producer = installation.producer()
    ledger = producer.ledger
    failed(ledger, 3)
    failed(ledger, 1, FailureCode.LOST, replayed=f"{step}")
    failed(ledger, 1, FailureCode.FILTER_BLOCKED, vendor_job_id=None)
    requested: dict[str, dict[str, Any]] = {
        "queued": {},
        "silent": {},
        "done": {},
        "wordy": {"webhook_url": "https://shop.example/hook", "metadata": {"é": "€" * 400, "a": "b" * 400}},
        "robbed": {"idempotency_key": "order-1", "webhook_url": "https://shop.example/hook"},
        "held": {"webhook_url": "https://shop.example/hook"},
    }
    for job_id, more in requested.items():
        ledger.intake.accept(new_job(job_id, **more))
    for job_id in ("silent", "wordy", "robbed"):
        assert isinstance(ledger.transitions.advance(ledger.jobs.get(job_id), Change(to=State.FAILED)), Advanced)
    ledger.intake.accept(new_job("superseded_by", idempotency_key="order-1", replace_failed=True))
    assert isinstance(
        ledger.transitions.advance(
            ledger.jobs.get("done"), Change(to=State.SUCCEEDED, fields={"vendor_job_id": "v-done"})
        ),
        Advanced,
    )
    canceling: JobFields = {"canceling": Canceling.DROP}
    held = ledger.transitions.advance(ledger.jobs.get("held"), Change(to=State.HELD, fields=canceling))
    assert isinstance(held, Advanced)
    predicted = list(producer.recovery.replay_many(JobFilter(), step, dry_run=True))
    assert ledger.stats.counters().get("replayed", 0) == 0
    assert sorted(predicted) == sorted(producer.recovery.replay_many(JobFilter(), step))
    assert ledger.stats.counters()["replayed"] == sum(problem is None for _, problem in predicted) > 0


def test_a_dry_run_asks_the_server_for_hundreds_of_jobs_at_a_time(installation: Installation) -> None:
    ledger = installation.producer().ledger
    failed(ledger, 500)
    ledger.client.config_resetstat()
    installation.run_json("jobs", "replay", "--from", "submit", "--state", "FAILED", "--dry-run")
    calls = {name: stat["calls"] for name, stat in ledger.client.info("commandstats").items()}
    assert calls["cmdstat_evalsha"] + calls.get("cmdstat_eval", 0) < 20
    assert "cmdstat_hgetall" not in calls


def test_a_paid_replay_of_many_needs_the_word_and_a_replay_needs_a_filter(installation: Installation) -> None:
    ledger = installation.producer().ledger
    failed(ledger, 2)
    unpaid = installation.cli("jobs", "replay", "--from", "submit", "--state", "FAILED")
    assert (unpaid.returncode, "--accept-charge" in unpaid.stderr) == (1, True)
    for arguments in ((), ("run_timeout0000", "--state", "FAILED")):
        unsaid = installation.cli("jobs", "replay", "--from", "poll", *arguments)
        assert (unsaid.returncode, "either ids of jobs or a filter" in unsaid.stderr) == (2, True)
    assert ledger.stats.census()[State.FAILED] == 2


def test_a_replay_of_many_goes_on_where_it_was_broken_off_and_pays_nothing_twice(installation: Installation) -> None:
    """Those that were replayed and have failed again are passed over, though they fit the filter."""
    producer = installation.producer()
    ids = failed(producer.ledger, 6)
    wanted = JobFilter(states=(State.FAILED,))
    begun = producer.recovery.replay_many(wanted, Step.SUBMIT)
    first = [next(begun).job_id for _ in range(3)]
    for job_id in first:
        producer.ledger.transitions.advance(producer.get(job_id), Change(to=State.FAILED))
    rest = list(producer.recovery.replay_many(wanted, Step.SUBMIT))
    assert {job_id for job_id, problem in rest if problem is None} == set(ids) - set(first)
    assert {job_id for job_id, problem in rest if problem == REPEATED} == set(first)
    again = installation.run_json("jobs", "replay", "--from", "submit", "--state", "FAILED", "--again", "--dry-run")
    assert (again["jobs"], again["replayed_before"]) == (3, 0)


def test_ctrl_c_ends_a_replay_of_many_with_a_sentence_and_the_same_command_goes_on(installation: Installation) -> None:
    ledger = installation.producer().ledger
    failed(ledger, 600)
    command = [str(SWAPLINE), "jobs", "replay", "--from", "notify", "--notification", "DEAD"]
    running = start(command, env=installation.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    waited_for(lambda: ledger.stats.counters().get("replayed", 0) >= 3)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=30)
    before = ledger.stats.counters()["replayed"]
    if before < 600:  # else it was faster than the signal
        assert (running.returncode, "the same command goes on" in output) == (3, True)
    rest = installation.run_json("jobs", "replay", "--from", "notify", "--notification", "DEAD")
    assert rest["jobs"] == 600 - before
    assert ledger.stats.counters()["replayed"] == 600


def test_many_are_canceled_by_filter(installation: Installation) -> None:
    ledger = installation.producer().ledger
    for number in range(5):
        ledger.intake.accept(new_job(f"j{number}", tenant="a" if number else "b"))
    assert installation.run_json("jobs", "cancel", "--tenant", "a", "--dry-run")["jobs"] == 4
    assert installation.run_json("jobs", "cancel", "--tenant", "a")["canceled"] == 4
    assert ledger.stats.census()[State.QUEUED] == 1
