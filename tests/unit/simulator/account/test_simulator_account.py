from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapline_simulator.account.account import Account, VendorJob
from swapline_simulator.api.intake import Photograph
from swapline_simulator.api.orders import Order, Refusal
from swapline_simulator.config import SimulatorConfig
from swapline_simulator.enums import ApiVersion, Gender, OverCap, QualityMode, Ratio, Status
from swapline_simulator.imaging.spool import InMemory

PHOTOGRAPH = Photograph(InMemory(b"picture"), "sha")
ORDER = Order(ApiVersion.V6, Gender.MALE, 12, Ratio.PORTRAIT, QualityMode.V6_1)


def config(**fields: Any) -> SimulatorConfig:
    return SimulatorConfig.model_validate({"seed": 1, "service_time": "fixed:10"} | fields)


def account(**fields: Any) -> Account:
    return Account(config(**fields))


def submit(books: Account, now: float) -> VendorJob:
    books.admit(now)
    return books.accept(ORDER, PHOTOGRAPH, now)


def refused(books: Account, now: float) -> int:
    with pytest.raises(Refusal) as caught:
        submit(books, now)
    return caught.value.status


def test_a_job_is_queued_then_in_progress_then_completed() -> None:
    job = submit(account(), now=100)
    statuses = [job.status(at) for at in (100, 100.99, 101, 109.99, 110)]
    queue, progress = Status.IN_QUEUE, Status.IN_PROGRESS
    assert statuses == [queue, queue, progress, progress, Status.COMPLETED]


def test_a_submission_costs_two_credits_and_a_refused_one_none() -> None:
    books = account(credits=5)
    submit(books, now=0)
    submit(books, now=0)
    assert (refused(books, now=0), books.spent, books.credits_left) == (402, 4, 1)


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [(OverCap.TOO_MANY, 429), (OverCap.TOO_MANY_DATE, 429), (OverCap.BAD_REQUEST, 400)],
)
def test_above_the_cap_a_submission_is_refused_and_counted_but_not_charged(behaviour: OverCap, status: int) -> None:
    books = account(cap=1, over_cap=behaviour)
    submit(books, now=0)
    assert (refused(books, now=9.9), books.over_cap, books.spent) == (status, 1, 2)


def test_a_place_is_free_again_as_soon_as_its_job_is_done() -> None:
    books = account(cap=1)
    submit(books, now=0)
    assert submit(books, now=10).started_at == 10


def test_above_the_cap_jobs_may_queue_and_each_starts_when_the_one_before_is_done() -> None:
    books = account(cap=1, over_cap=OverCap.QUEUE)
    jobs = [submit(books, now) for now in (0, 1, 2)]
    books.settle(100)
    assert [job.started_at for job in jobs] == [0, 10, 20]
    assert [job.over_cap for job in jobs] == [False, True, True]
    assert (books.over_cap, books.max_in_flight, books.in_flight) == (2, 3, 0)


def test_raising_the_cap_starts_those_who_wait() -> None:
    books = account(cap=0, over_cap=OverCap.QUEUE)
    job = submit(books, now=0)
    assert (job.started_at, books.next_change) == (None, None)
    books.retune(config(cap=1), now=5)
    assert (job.started_at, books.next_change) == (5, 15)


def test_each_job_that_is_done_is_delivered_once() -> None:
    done: list[VendorJob] = []
    books = Account(config(cap=2), done.append)
    jobs = [submit(books, now=0), submit(books, now=1)]
    for now in (9, 10.5, 10.5, 30):
        books.settle(now)
    assert done == jobs


def test_one_version_does_not_know_the_jobs_of_the_other() -> None:
    books = account()
    job = submit(books, now=0)
    assert books.find(job.job_id, ApiVersion.V6) is job
    assert books.find(job.job_id, ApiVersion.V5) is None


def test_a_result_is_forgotten_after_its_time_but_its_charge_is_not() -> None:
    books = account(result_ttl=60)
    job = submit(books, now=0)
    books.settle(69)
    assert books.find(job.job_id, ApiVersion.V6) is job
    books.settle(71)
    assert books.find(job.job_id, ApiVersion.V6) is None
    assert (list(books.jobs), books.spent) == ([job.job_id], 2)


def test_ids_times_and_fates_depend_on_the_seed_and_the_number_of_the_job_alone() -> None:
    def run(seed: int, pause: float) -> list[tuple[str, float, bool]]:
        books = account(seed=seed, cap=1000, service_time="lognormal:8,0.4", fail_rate=0.5)
        jobs = [submit(books, now=number * pause) for number in range(40)]
        return [(job.job_id, job.service, job.fails) for job in jobs]

    assert run(seed=7, pause=0) == run(seed=7, pause=3.3) != run(seed=8, pause=0)


def test_books_that_were_begun_anew_know_no_old_id() -> None:
    first, second = Account(config(), epoch=0), Account(config(), epoch=1)
    assert submit(first, now=0).job_id != submit(second, now=0).job_id


def test_jobs_fail_as_often_as_asked() -> None:
    books = account(cap=1000, fail_rate=0.3)
    jobs = [submit(books, now=0) for _ in range(1000)]
    assert sum(job.status(10) is Status.FAILED for job in jobs) == pytest.approx(300, abs=50)


@given(
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=30),
    extra=st.lists(st.floats(0, 60), max_size=30),
    cap=st.integers(1, 4),
)
def test_the_timeline_does_not_depend_on_how_often_the_books_are_settled(
    pauses: list[float], extra: list[float], cap: int
) -> None:
    def run(settles: list[float]) -> list[tuple[float | None, float | None]]:
        books = account(cap=cap, over_cap=OverCap.QUEUE, service_time="lognormal:3,0.8")
        now, jobs, left = 0.0, [], sorted(settles)
        for pause in pauses:
            now += pause
            while left and left[0] <= now:
                books.settle(left.pop(0))
            jobs.append(submit(books, now))
        books.settle(now + 1e6)
        return [(job.started_at, job.done_at) for job in jobs]

    assert run([]) == run(extra)


@given(pauses=st.lists(st.floats(0, 5), min_size=1, max_size=30), cap=st.integers(1, 4))
def test_never_more_jobs_are_served_at_once_than_the_cap(pauses: list[float], cap: int) -> None:
    books = account(cap=cap, over_cap=OverCap.QUEUE, service_time="lognormal:3,0.8")
    now, jobs = 0.0, []
    for pause in pauses:
        now += pause
        jobs.append(submit(books, now))
    books.settle(now + 1e6)
    spans = [(job.started_at or 0, job.done_at or 0) for job in jobs]
    assert max(sum(start <= at < end for start, end in spans) for at, _ in spans) <= cap
