"""Histograms in the ledger, and the rate of polls that its claims keep."""

from __future__ import annotations

from collections import Counter
from math import log
from random import Random
from typing import TYPE_CHECKING

import pytest

from support.jobs.factories import PHOTOGRAPH
from support.redis.fixtures import new_job
from swapline_producer import SwapRequest
from swapline_producer.contract import Job, State
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.contract.jobs.service_times import start_of
from swapline_producer.errors import LedgerUnavailable
from swapline_producer.ledger import Ledger, connect, new_token
from swapline_workers.adapters.service_times import FRESH, LearnedTimes
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.schedule.histogram import Histogram, observed
from swapline_workers.core.schedule.polling import Bounds, next_wait

if TYPE_CHECKING:
    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_workers.local.valkey.server import EmbeddedValkey


def running(ledger: Ledger, job_id: str) -> Job:
    ledger.intake.accept(new_job(job_id))
    queued = ledger.transitions.open(job_id, 1)
    assert queued is not None
    assert ledger.transitions.line_up(queued.job)
    given = ledger.transitions.open(job_id, 2)
    assert given is not None
    return moved(ledger, given.job, Change(to=State.RUNNING, due_in=1, close_breaker=True))


def moved(ledger: Ledger, job: Job, change: Change) -> Job:
    advanced = ledger.transitions.advance(job, change)
    assert isinstance(advanced, Advanced)
    return advanced.job


def taught(ledger: Ledger, job: Job, *spreads: dict[int, float], kind: str = "k") -> Job:
    for spread in spreads:
        job = moved(ledger, job, Change(to=State.RUNNING, due_in=1, observe={kind: spread}))
    return job


def test_histograms_add_up_job_by_job(ledger: Ledger) -> None:
    taught(ledger, running(ledger, "a"), {3: 1.0}, {3: 0.25, 4: 0.75})
    assert ledger.stats.histograms(["k", "none"]) == [{3: 1.25, 4: 0.75}, {}]
    assert ledger.client.hget(f"{ledger.prefix}:hist:k", "jobs") == "2"


def test_a_move_that_is_sent_twice_teaches_once(ledger: Ledger) -> None:
    job, token = running(ledger, "a"), new_token()
    change = Change(to=State.STORING, due_in=1, observe={"k": {3: 1.0}})
    assert isinstance(ledger.transitions.advance(job, change, token=token), Advanced)
    assert isinstance(ledger.transitions.advance(job, change, token=token), Advanced)
    assert ledger.stats.histograms(["k"]) == [{3: 1.0}]


def test_what_is_old_fades_and_what_is_next_to_nothing_goes(ledger: Ledger) -> None:
    job = taught(ledger, running(ledger, "a"), {3: 1.0})
    for _ in range(20):
        name = f"{ledger.prefix}:hist:k"
        ledger.client.hset(name, mapping={"jobs": "299", "4": "298"})
        job = taught(ledger, job, {4: 1.0})
        assert ledger.client.hget(name, "jobs") == "150.0000"
    assert list(ledger.stats.histograms(["k"])[0]) == [4]


def test_a_schedule_learns_from_its_own_polls_and_stays_where_it_is(ledger: Ledger) -> None:
    """Two thousand jobs, each polled as the ledger's histogram says: what is learned is what is true."""
    job, rng, bounds = running(ledger, "a"), Random(3), Bounds(0.25, 20)  # noqa: S311 -- chance of a test, not for secrets
    times = Histogram({})
    means = []
    for number in range(2000):
        if number % 20 == 0:
            [times] = map(Histogram, ledger.stats.histograms(["k"]))
        lasts, after, now, polls = rng.lognormvariate(log(8), 0.4), 0.0, 0.0, 0
        while now < lasts:
            after, now = now, now + next_wait(now, times, bounds, polls=polls)
            polls += 1
        job = taught(ledger, job, observed(after, now))
        if number > 1000 and number % 50 == 0:
            [seen] = ledger.stats.histograms(["k"])
            logs = [(log(0.05) + 0.06 * (bucket + 0.5), weight) for bucket, weight in seen.items()]
            means.append(sum(at * weight for at, weight in logs) / sum(weight for _, weight in logs))
    assert sum(means) / len(means) == pytest.approx(log(8), abs=0.03)


def test_a_reader_asks_once_in_a_while_and_keeps_what_did_not_change(ledger: Ledger) -> None:
    now = [100.0]
    times = LearnedTimes(ledger, "all", clock=lambda: now[0])
    job = taught(ledger, running(ledger, "a"), *[{3: 1.0}] * 50)
    first = times.of("k")
    assert first is not None
    assert first.weights == {3: 50.0}
    job = taught(ledger, job, {4: 1.0}, kind="all")
    now[0] += FRESH - 0.1
    assert times.of("k") is first
    now[0] += 0.2
    assert times.of("k") is first  # it was read, and is the same
    taught(ledger, job, {4: 1.0})
    now[0] += FRESH
    second = times.of("k")
    assert second is not None
    assert second.weights == {3: 50.0, 4: 1.0}


def test_a_reader_keeps_what_it_knew_while_the_ledger_is_away(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    times = LearnedTimes(ledger, "all", clock=lambda: now[0])
    taught(ledger, running(ledger, "a"), *[{3: 1.0}] * 50)
    first = times.of("k")
    monkeypatch.setattr(times, "_ledger", Ledger(connect("redis://127.0.0.1:1/0", timeout=0.5)))
    with pytest.raises(LedgerUnavailable):
        times._ledger.stats.histograms(["k"])
    now[0] += 2 * FRESH
    assert times.of("k") is first


def test_a_rare_kind_begins_as_if_it_were_like_all_others(ledger: Ledger) -> None:
    taught(ledger, running(ledger, "a"), *[{9: 1.0}] * 60, kind="all")
    rare = LearnedTimes(ledger, "all").of("rare")
    assert rare is not None
    assert rare.tells
    assert set(rare.weights) == {9}


def test_a_step_is_called_with_whether_jobs_wait_for_a_slot(ledger: Ledger) -> None:
    job = running(ledger, "a")
    alone = ledger.transitions.open("a", job.version)
    assert alone is not None
    assert not alone.waiting
    for name in ("b", "c"):
        ledger.intake.accept(new_job(name))
        queued = ledger.transitions.open(name, 1)
        assert queued is not None
        ledger.transitions.line_up(queued.job)
    crowded = ledger.transitions.open("a", job.version)
    assert crowded is not None
    assert crowded.waiting


def looked_for(ledger: Ledger, time: Time, seconds: float, *, every: float) -> Counter[str]:
    """Claim and poll for a while, each poll moving its job's next one by `every` seconds; return polls by job."""
    polls: Counter[str] = Counter()
    end = time.at + seconds * 1000
    while time.at < end:
        for message in ledger.transitions.claim(ROUTES).messages:
            polls[message.job_id] += 1
            opened = ledger.transitions.open(message.job_id, message.version)
            assert opened is not None
            moved(ledger, opened.job, Change(to=State.RUNNING, due_in=every, fields={"polls": opened.job.polls + 1}))
        time.pass_(0.01)
    return polls


def test_polls_keep_their_rate_and_every_job_gets_its_share(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=30, rescue_after=15, poll_rate=20))
    for number in range(30):
        running(ledger, f"j{number}")
    polls = looked_for(ledger, time, 12, every=0.25)
    assert 20 * 10.5 <= polls.total() <= 20 * 12 + 2
    assert max(polls.values()) - min(polls.values()) <= 1


def test_below_their_rate_polls_are_not_put_off(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=30, rescue_after=15, poll_rate=20))
    for number in range(4):
        running(ledger, f"j{number}")
        time.pass_(0.06)
    polls = looked_for(ledger, time, 10, every=0.5)
    assert sorted(polls.values()) == [19, 19, 19, 19]


def test_after_an_outage_polls_do_not_go_all_at_once(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=30, rescue_after=15, poll_rate=20))
    for number in range(30):
        running(ledger, f"j{number}")
    time.pass_(2)
    assert len(ledger.transitions.claim(ROUTES).messages) == 1
    time.pass_(60)  # the given places were not claimed
    assert len(ledger.transitions.claim(ROUTES).messages) == 1


def test_a_claim_returns_when_polls_that_were_put_off_can_go(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=30, rescue_after=15, poll_rate=10))
    for number in range(4):
        running(ledger, f"j{number}")
    time.pass_(1)
    claimed = ledger.transitions.claim(ROUTES)
    assert (len(claimed.messages), claimed.put_off) == (1, (time.at + 100, time.at + 200, time.at + 300))


def test_what_is_not_a_poll_is_not_put_off(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=30, rescue_after=15, poll_rate=0.01))
    for number in range(4):
        job = running(ledger, f"j{number}")
        moved(ledger, job, Change(to=State.STORING, due_in=1))
    time.pass_(1)
    assert len(ledger.transitions.claim(ROUTES).messages) == 4


def test_a_worker_writes_down_how_long_jobs_took(installation: Installation, valkey: EmbeddedValkey) -> None:
    with installation.worker():
        for _ in range(5):
            installation.run(image=PHOTOGRAPH, gender=4, filter_id=12, ratio="square")
    client = connect(valkey.url)
    kind, others = Ledger(client, installation.prefix).stats.histograms(["v6:-:group:square", "all"])
    client.close()
    assert sum(kind.values()) == pytest.approx(5, abs=0.01)
    assert kind == others
    assert all(0.03 < start_of(bucket) < 0.5 for bucket in kind)


def test_workers_keep_the_rate_of_polls(installation: Installation) -> None:
    installation.more["SWAPLINE_POLL_RATE"] = "4"
    installation.vendor.control.change(service_time="fixed:2")
    producer = installation.producer()
    with installation.worker():
        request = SwapRequest(image=PHOTOGRAPH, gender=1, filter_id=12)
        jobs = [producer.enqueue(request).job_id for _ in range(6)]
        for job_id in jobs:
            assert producer.wait(job_id, timeout=60).state is State.SUCCEEDED
    report = installation.vendor.control.report()
    seconds = (max(job.first_seen_done_at or 0 for job in report.jobs) - report.jobs[0].submitted_at) / 1000
    assert 6 < report.polls <= 4 * seconds + 2
