"""Jobs are found by what they are, each once, however jobs move meanwhile."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from support.redis.fixtures import new_job
from swapline_producer.contract import FailureCode, Job, Notification, State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.ledger import JobFilter, Ledger
from swapline_producer.ledger.queries import search

if TYPE_CHECKING:
    from support.redis.fixtures import Time

JOBS = 60
"""Enough for a dozen calls of the small budget below."""

ENDS = {
    State.SUCCEEDED: None,
    State.FAILED: FailureCode.LOST,
    State.TIMED_OUT: FailureCode.RUN_TIMEOUT,
    State.EXPIRED: FailureCode.QUEUE_TTL,
}


def moved(ledger: Ledger, job_id: str, to: State, rng: random.Random) -> None:
    """Bring a job into a state, whatever it was."""
    fields: dict[str, Any] = {"failure_code": ENDS.get(to)}
    if to.finished:
        fields["notification"] = rng.choice([Notification.DEAD, Notification.DELIVERED])
    advanced = ledger.transitions.advance(
        ledger.jobs.get(job_id), Change(to=to, fields=fields, due_in=None if to.finished else 5)
    )
    assert isinstance(advanced, Advanced)


@pytest.fixture
def filled(ledger: Ledger, time: Time, monkeypatch: pytest.MonkeyPatch) -> dict[str, Job]:
    """Jobs of all kinds, several in each millisecond; and calls that see five records at most."""
    monkeypatch.setattr(search, "BUDGET", 45)
    rng = random.Random(3)  # noqa: S311 -- the same each time, and no secret
    for number in range(JOBS):
        time.at += rng.choice([0, 0, 1, 1000])
        job_id = f"{time.at:012x}{rng.randbytes(10).hex()}"
        more: dict[str, Any] = {"batch": "spring"} if number % 5 == 0 else {}
        ledger.intake.accept(new_job(job_id, tenant=f"shop-{number % 3}", **more))
    ids = ledger.search.find(JobFilter(), limit=JOBS)
    for job_id in ids:
        time.at += rng.choice([0, 0, 1])
        if rng.random() < 0.7:
            moved(ledger, job_id, rng.choice(list(ENDS)), rng)
    return {job.job_id: job for job in ledger.jobs.get_many(ids)}


FILTERS = {
    "all": JobFilter(),
    "one state": JobFilter(states=(State.FAILED,)),
    "two states": JobFilter(states=(State.QUEUED, State.SUCCEEDED)),
    "a code": JobFilter(codes=(FailureCode.LOST,)),
    "a tenant": JobFilter(tenants=("shop-1",)),
    "two tenants and a state": JobFilter(tenants=("shop-1", "shop-2"), states=(State.TIMED_OUT,)),
    "a batch": JobFilter(batch="spring"),
    "a batch and a state": JobFilter(batch="spring", states=(State.QUEUED,)),
    "a tenant's batch": JobFilter(batch="spring", tenants=("shop-1",)),
    "two tenants' batches and a state": JobFilter(batch="spring", tenants=("shop-0", "shop-1"), states=(State.FAILED,)),
    "dead": JobFilter(notification=Notification.DEAD),
    "no webhook": JobFilter(notification=Notification.NONE),
    "missing": JobFilter(tenants=("missing",)),
    "a state without codes": JobFilter(states=(State.QUEUED,), codes=(FailureCode.LOST,)),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("oldest_first", [False, True])
def test_each_filter_finds_what_a_recount_finds_in_order_and_in_pages(
    ledger: Ledger, filled: dict[str, Job], name: str, oldest_first: bool
) -> None:
    wanted = FILTERS[name]
    expected = sorted((job_id for job_id, job in filled.items() if wanted.fits(job)), reverse=not oldest_first)
    assert ledger.search.find(wanted, limit=JOBS + 1, oldest_first=oldest_first) == expected
    paged = [job_id for page in ledger.search.pages(wanted, limit=7, oldest_first=oldest_first) for job_id in page]
    assert paged == expected


def test_ages_are_those_of_the_ledgers_clock(ledger: Ledger, filled: dict[str, Job]) -> None:
    timestamps = sorted(job.created_at for job in filled.values())
    wanted = JobFilter(accepted_from=timestamps[10], accepted_before=timestamps[40])
    found = ledger.search.find(wanted, limit=JOBS)
    assert set(found) == {id_ for id_, job in filled.items() if timestamps[10] <= job.created_at < timestamps[40]}
    assert len(found) > 20


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wanted", [JobFilter(), JobFilter(tenants=("shop-1",)), JobFilter(states=tuple(State))])
def test_no_job_is_skipped_or_repeated_while_jobs_move(
    ledger: Ledger, filled: dict[str, Job], time: Time, monkeypatch: pytest.MonkeyPatch, seed: int, wanted: JobFilter
) -> None:
    """After each call to the server some jobs change their state, and new ones come."""
    rng = random.Random(seed)  # noqa: S311 -- as above
    states = [*ENDS, State.QUEUED, State.RUNNING, State.STORING]
    run = ledger.scripts.run
    calls: list[str] = []

    def disturbed(move: str, **arguments: Any) -> dict[str, Any]:
        answer = run(move, **arguments)
        if move == "scan" and len(calls) < 100:
            calls.append(move)
            time.at += rng.choice([0, 1])
            for job_id in rng.sample(sorted(filled), 2):
                moved(ledger, job_id, rng.choice(states), rng)
            if rng.random() < 0.2:
                ledger.intake.accept(new_job(f"{time.at:012x}{rng.randbytes(10).hex()}", tenant="shop-1"))
        return answer

    monkeypatch.setattr(ledger.scripts, "run", disturbed)
    for oldest_first in (False, True):
        calls.clear()
        pages = ledger.search.pages(wanted, limit=20, oldest_first=oldest_first)
        found = [job_id for page in pages for job_id in page]
        assert len(found) == len(set(found))
        assert found == sorted(found, reverse=not oldest_first)
        assert {job_id for job_id, job in filled.items() if wanted.fits(job)} <= set(found)


def test_a_record_that_is_gone_is_not_listed_by_what_it_was(ledger: Ledger, filled: dict[str, Job]) -> None:
    gone = next(iter(filled))
    ledger.client.delete(f"{ledger.prefix}:job:{gone}")
    wanted = JobFilter(notification=Notification.NONE)
    assert gone not in ledger.search.find(wanted, limit=JOBS)
