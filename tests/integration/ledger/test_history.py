"""The history of a ledger: what its rows add up to, how many there are, and what a job pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.redis.fixtures import new_job
from swapline_producer.contract import FailureCode, State, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.jobs.history import DAY, HOUR, WEEK, Period

if TYPE_CHECKING:
    from support.redis.fixtures import Time
    from swapline_producer.contract import Job
    from swapline_producer.contract.changes import Change
    from swapline_producer.ledger import Ledger

STATES = {"QUEUED": "submit"}


def claim(ledger: Ledger) -> None:
    ledger.transitions.claim({}, limit=1)


def pass_minutes(ledger: Ledger, time: Time, minutes: int, step: float = 60) -> None:
    for _ in range(round(minutes * 60 / step)):
        time.pass_(step)
        claim(ledger)


def written(ledger: Ledger, job: Job, change: Change) -> Job:
    advanced = ledger.transitions.advance(job, change)
    assert isinstance(advanced, Advanced)
    return advanced.job


def failed(ledger: Ledger, job_id: str) -> None:
    ledger.transitions.line_up(ledger.jobs.get(job_id))
    job = ledger.jobs.get(job_id)
    written(ledger, job, transitions.failed(job, FailureCode.VENDOR_REJECTED, "no", rescue_after=15, refund=True))


def test_jobs_are_found_in_the_minute_in_which_they_ended(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=1, rescue_after=9999))
    claim(ledger)
    for number in range(3):
        ledger.intake.accept(new_job(f"j{number}", queue_ttl=99999))
    pass_minutes(ledger, time, 2)
    failed(ledger, "j0")
    pass_minutes(ledger, time, 3)
    points = ledger.history.read(HOUR)
    assert [one.accepted for one in points if one.accepted] == [3]
    [end] = [one for one in points if one.ended_otherwise]
    assert (end.ended_otherwise, end.codes, end.succeeded) == (1, {"VENDOR_REJECTED": 1}, 0)
    assert end.ends - end.begins == 60_000
    assert points[-1].waiting == 1
    assert sum(one.used * (one.ends - one.begins) for one in points) == pytest.approx(
        ledger.stats.snapshot().used_seconds * 1000
    )


def test_the_time_to_a_result_is_read_from_the_buckets_of_its_span(ledger: Ledger, time: Time) -> None:
    claim(ledger)
    for number in range(10):
        name = f"j{number}"
        ledger.intake.accept(new_job(name, queue_ttl=99999))
    time.pass_(9)
    for number in range(10):
        job = ledger.jobs.get(f"j{number}")
        ledger.client.hset(
            f"{ledger.prefix}:job:{job.job_id}", mapping={"state": "STORING", "terminal_at": job.created_at}
        )
        written(
            ledger, ledger.jobs.get(job.job_id), transitions.succeeded(ledger.jobs.get(job.job_id), (), rescue_after=15)
        )
    pass_minutes(ledger, time, 1)
    [point] = [one for one in ledger.history.read(HOUR) if one.succeeded]
    assert point.median is not None
    assert point.slowest_tenth is not None
    assert 8 < point.median < point.slowest_tenth < 10
    assert point.succeeded == 10


@pytest.mark.parametrize(("period", "most"), [(HOUR, 62), (DAY, 98), (WEEK, 170)])
def test_a_fortnight_keeps_no_more_rows_than_a_plot_has(ledger: Ledger, time: Time, period: Period, most: int) -> None:
    for _ in range(14 * 24 * 4):
        time.pass_(900)
        claim(ledger)
        claim(ledger)
    name = f"{ledger.prefix}:history:{period.step}"
    assert ledger.client.llen(name) <= most
    assert ledger.client.pttl(name) <= most * period.step * 1000
    points = ledger.history.read(period)
    assert len(points) <= most
    assert points[-1].ends - points[0].begins == pytest.approx(period.seconds * 1000, rel=0.3)
    assert (
        sum(int(ledger.client.memory_usage(key) or 0) for key in ledger.client.keys(f"{ledger.prefix}:history:*"))
        < 400_000
    )


def test_a_time_without_workers_is_one_long_span(ledger: Ledger, time: Time) -> None:
    claim(ledger)
    pass_minutes(ledger, time, 2)
    time.pass_(1800)
    claim(ledger)
    pass_minutes(ledger, time, 2)
    assert max(one.ends - one.begins for one in ledger.history.read(HOUR)) == 1_800_000


def test_a_clock_that_was_set_back_hides_nothing_of_what_comes(ledger: Ledger, time: Time) -> None:
    pass_minutes(ledger, time, 5)
    time.pass_(-7200)
    claim(ledger)
    ledger.intake.accept(new_job("after", queue_ttl=99999))
    pass_minutes(ledger, time, 3)
    assert sum(one.accepted for one in ledger.history.read(HOUR)) == 1


def test_no_move_of_a_job_writes_the_history(ledger: Ledger, time: Time) -> None:
    claim(ledger)
    before = ledger.client.llen(f"{ledger.prefix}:history:60")
    time.pass_(120)
    ledger.intake.accept(new_job("a"))
    failed(ledger, "a")
    assert ledger.jobs.get("a").state is State.FAILED
    assert ledger.client.llen(f"{ledger.prefix}:history:60") == before
    claim(ledger)
    claim(ledger)
    assert ledger.client.llen(f"{ledger.prefix}:history:60") == before + 1
