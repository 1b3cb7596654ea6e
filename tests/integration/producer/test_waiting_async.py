"""Waiting in asyncio: many waiters, one connection."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import new_job, waited_for
from swapline_producer import Producer, ProducerSettings
from swapline_producer.client import async_waiting
from swapline_producer.contract import State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import JobNotFound, LedgerUnavailable
from swapline_producer.ledger import Ledger, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from swapline_producer.contract import Job


@pytest.fixture
def producer(ledger: Ledger) -> Producer:
    return Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, RecordingPublisher(), None)


def end(ledger: Ledger, job_id: str) -> None:
    assert isinstance(ledger.transitions.advance(ledger.jobs.get(job_id), Change(to=State.FAILED)), Advanced)


def subscribers(ledger: Ledger) -> int:
    return ledger.client.pubsub_numpat()


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(waited_for, condition)


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def test_two_hundred_waiters_take_one_thread_and_one_subscription(producer: Producer, ledger: Ledger) -> None:
    names = [f"job-{n}" for n in range(200)]
    for name in names:
        ledger.intake.accept(new_job(name))

    async def scenario() -> None:
        waiters = [asyncio.create_task(producer.wait_async(name, 30)) for name in names]
        await until(lambda: len(producer._completions._waiters) == len(names) and subscribers(ledger) == 1)
        assert [thread.name for thread in threading.enumerate()].count("swapline-completions") == 1
        for name in names:
            await asyncio.to_thread(end, ledger, name)
        jobs: list[Job] = await asyncio.gather(*waiters)
        assert [job.job_id for job in jobs] == names
        assert {job.state for job in jobs} == {State.FAILED}

    run(scenario())


def test_a_job_that_has_finished_is_returned_at_once(producer: Producer, ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a"))
    end(ledger, "a")
    assert asyncio.run(producer.wait_async("a", 30)).state is State.FAILED


def test_callers_that_time_out_do_so_in_time_and_leave_nothing_behind(producer: Producer, ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a"))

    async def scenario() -> None:
        began = time.monotonic()
        found = await asyncio.gather(*(producer.wait_async("a", 0.3) for _ in range(50)), return_exceptions=True)
        assert {str(one) for one in found} == {"Job a has not finished after 0.3 s; it goes on."}
        assert time.monotonic() - began < 20  # not one after another behind a few threads: that would take minutes
        assert producer._completions._waiters == {}

    run(scenario())


def test_a_job_that_is_not_there_is_a_clear_error(producer: Producer) -> None:
    async def scenario() -> None:
        with pytest.raises(JobNotFound):
            await producer.wait_async("nothing", 30)

    run(scenario())


def test_a_lost_notification_is_made_up_for_by_the_sweep(
    producer: Producer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_waiting, "SWEEP_INTERVAL_S", 0.2)
    ledger.intake.accept(new_job("a"))

    async def scenario() -> None:
        waiter = asyncio.create_task(producer.wait_async("a", 30))
        await until(lambda: subscribers(ledger) == 1)
        monkeypatch.setattr(producer._completions, "_resolve", _loses_the_first(producer._completions._resolve))
        await asyncio.to_thread(end, ledger, "a")
        assert (await waiter).state is State.FAILED

    run(scenario())


def _loses_the_first(resolve: Callable[[Iterable[str]], None]) -> Callable[[Iterable[str]], None]:
    calls: list[object] = []

    def first_is_lost(finished: Iterable[str]) -> None:
        calls.append(finished)
        if len(calls) > 1:
            resolve(finished)

    return first_is_lost


def test_a_ledger_that_cannot_be_reached_is_reported_at_once(ledger: Ledger) -> None:
    away = Ledger(connect("redis://127.0.0.1:1/0", timeout=0.5))
    producer = Producer(ProducerSettings(key_prefix=ledger.prefix), away, RecordingPublisher(), None)

    async def scenario() -> None:
        with pytest.raises(LedgerUnavailable):
            await producer.wait_async("a", 30)

    run(scenario())


def test_the_thread_ends_with_its_last_waiter_and_comes_back(producer: Producer, ledger: Ledger) -> None:
    for name in ("a", "b"):
        ledger.intake.accept(new_job(name))

    async def scenario() -> None:
        for name in ("a", "b"):
            waiter = asyncio.create_task(producer.wait_async(name, 30))
            await until(lambda: subscribers(ledger) == 1)
            await asyncio.to_thread(end, ledger, name)
            assert (await waiter).state is State.FAILED
            await until(lambda: subscribers(ledger) == 0)

    run(scenario())
