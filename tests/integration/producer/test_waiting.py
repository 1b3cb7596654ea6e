"""Waiting for many jobs: by notification, and right even where one got lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from support.jobs.publishers import NullPublisher
from support.redis.fixtures import new_job, waited_for
from swapline_producer import Producer, ProducerSettings
from swapline_producer.client import waiting
from swapline_producer.contract import Job, State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import JobNotFound, LedgerUnavailable
from swapline_producer.ledger import Ledger, connect

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def producer(ledger: Ledger) -> Producer:
    return Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, NullPublisher(), None)


def end(ledger: Ledger, job_id: str, state: State = State.FAILED) -> None:
    assert isinstance(ledger.transitions.advance(ledger.jobs.get(job_id), Change(to=state)), Advanced)


def one_of_two_ended(producer: Producer, ledger: Ledger) -> Iterator[Job]:
    """Wait for the jobs a and b, of which a has ended and was yielded."""
    for name in "ab":
        ledger.intake.accept(new_job(name))
    end(ledger, "a")
    finishing = producer.as_completed(["a", "b"], timeout=30)
    assert next(finishing).job_id == "a"
    return finishing


def test_jobs_are_given_as_they_finish_each_once(producer: Producer, ledger: Ledger) -> None:
    for name in "abc":
        ledger.intake.accept(new_job(name))
    end(ledger, "b")
    finishing = producer.as_completed(["a", "b", "c", "a"], timeout=30)
    assert next(finishing).job_id == "b"
    end(ledger, "c")
    assert next(finishing).job_id == "c"
    end(ledger, "a")
    assert next(finishing).state is State.FAILED
    assert list(finishing) == []


def test_the_end_is_received_while_waiting(producer: Producer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SWEEP_INTERVAL_S", 3600.0)  # nothing is looked up: it must be heard
    for name in "ab":
        ledger.intake.accept(new_job(name))
    found = []
    waiter = threading.Thread(target=lambda: found.extend(producer.wait_many(["a", "b"], timeout=60)))
    waiter.start()
    waited_for(lambda: ledger.client.pubsub_numpat() == 1)
    end(ledger, "b")
    end(ledger, "a")
    waiter.join(30)
    assert [job.job_id for job in found] == ["a", "b"]


def test_an_end_that_was_not_received_is_looked_up(
    producer: Producer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SWEEP_INTERVAL_S", 0.05)
    for name in "abc":
        ledger.intake.accept(new_job(name))
    end(ledger, "c")
    finishing = producer.as_completed(["a", "b", "c"], timeout=30)
    assert next(finishing).job_id == "c"
    ledger.client.client_kill_filter(_type="pubsub")
    end(ledger, "a")
    assert next(finishing).job_id == "a"


def test_a_ledger_that_goes_away_meanwhile_is_waited_for(
    producer: Producer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SWEEP_INTERVAL_S", 0.01)
    monkeypatch.setattr(waiting, "RECONNECT_DELAY_S", 0.01)
    finishing = one_of_two_ended(producer, ledger)

    def away(_: int) -> set[str]:
        monkeypatch.undo()
        end(ledger, "b")  # while no listener is connected
        raise LedgerUnavailable("restarting")

    monkeypatch.setattr(ledger.subscriptions, "finished_since", away)
    assert next(finishing).job_id == "b"


def test_an_end_that_was_received_and_could_not_be_read_is_not_forgotten(
    producer: Producer, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "RECONNECT_DELAY_S", 0.01)
    finishing = one_of_two_ended(producer, ledger)

    def away(_: object) -> list[Job]:
        monkeypatch.undo()
        raise LedgerUnavailable("restarting")

    monkeypatch.setattr(ledger.jobs, "get_many", away)
    end(ledger, "b")
    assert [job.job_id for job in finishing] == ["b"]


def test_a_ledger_that_cannot_be_reached_at_first_is_reported_at_once() -> None:
    away = Ledger(connect("redis://127.0.0.1:1/0", timeout=0.5))
    with pytest.raises(LedgerUnavailable):
        Producer(ProducerSettings(), away, NullPublisher(), None).wait("a")


def test_a_thousand_jobs_take_one_subscription(producer: Producer, ledger: Ledger) -> None:
    names = [f"j{number:04}" for number in range(1001)]
    for name in names:
        ledger.intake.accept(new_job(name))
    for name in names[:-1]:
        end(ledger, name)
    finishing = producer.as_completed(names, timeout=30)
    assert [next(finishing).job_id for _ in names[:-1]] == names[:-1]
    assert ledger.client.pubsub_numpat() == 1
    end(ledger, names[-1])
    assert next(finishing).job_id == names[-1]


def test_time_that_is_over_is_a_sentence_and_stops_no_job(producer: Producer, ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a"))
    with pytest.raises(TimeoutError, match=r"1 jobs have not finished after 0.05 s; they go on"):
        producer.wait_many(["a"], timeout=0.05)
    assert ledger.jobs.get("a").state is State.QUEUED


def test_a_job_that_is_not_there_is_reported_at_once(producer: Producer, ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a"))
    with pytest.raises(JobNotFound, match="no job 'b'"):
        producer.wait_many(["a", "b"], timeout=30)


def test_waiting_for_nothing_is_over_at_once(producer: Producer) -> None:
    assert producer.wait_many([]) == []
