"""One key, one job: within a tenant, as long as the job lives, in every race."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.redis.fixtures import new_job
from swapline_producer import Producer, SwapRequest
from swapline_producer.contract import Job, State
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import IdempotencyConflict

if TYPE_CHECKING:
    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger

RACER = """
import sys
from swapline_producer import Producer, SwapRequest
producer = Producer.from_env()
producer.ledger.stats.census()  # connected, before the race begins
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    request = SwapRequest(
        image="https://pictures.example.com/me.jpg", gender=0, filter_id=12, idempotency_key=f"order-{number}"
    )
    enqueued = producer.enqueue(request)
    print(number, enqueued.job_id, enqueued.created, flush=True)
"""


def ended(ledger: Ledger, job_id: str, state: State) -> Job:
    found = ledger.transitions.open(job_id, 1)
    assert found is not None
    advanced = ledger.transitions.advance(found.job, Change(to=state))
    assert isinstance(advanced, Advanced)
    return advanced.job


def key_ttl(ledger: Ledger) -> int:
    """Milliseconds; -1 for ever, -2 gone."""
    return int(ledger.client.pttl(f"{ledger.prefix}:key:default:k"))


def test_processes_that_race_make_one_job(installation: Installation) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER],
            env=installation.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    moved_on = [line.split() for racer in racers for line in racer.communicate(timeout=60)[0].splitlines()]
    assert len(moved_on) == 200
    assert len({(number, job_id) for number, job_id, _ in moved_on}) == 50
    assert Counter(created for _, _, created in moved_on) == {"True": 50, "False": 150}
    assert installation.producer().ledger.stats.census()[State.QUEUED] == 50


def test_a_key_lives_as_long_as_its_job(ledger: Ledger, time: Time) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k", queue_ttl=10))
    assert key_ttl(ledger) == -1
    time.pass_(365 * 86_400)
    assert ledger.intake.accept(new_job("b", idempotency_key="k"))[:2] == ("a", False)
    ended(ledger, "a", State.FAILED)
    assert abs(key_ttl(ledger) - int(ledger.client.pttl(f"{ledger.prefix}:job:a"))) < 1000


def test_a_key_whose_job_is_gone_is_free(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    ledger.client.delete(f"{ledger.prefix}:job:a")
    assert ledger.intake.accept(new_job("b", idempotency_key="k", filter_id=13))[:2] == ("b", True)


def test_a_failed_job_is_given_again_unless_it_is_to_be_replaced(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    ended(ledger, "a", State.FAILED)
    assert ledger.intake.accept(new_job("b", idempotency_key="k"))[:2] == ("a", False)
    assert ledger.intake.accept(new_job("b", idempotency_key="k", replace_failed=True))[:2] == (
        "b",
        True,
    )
    assert ledger.intake.accept(new_job("c", idempotency_key="k", replace_failed=True))[:2] == (
        "b",
        False,
    )
    assert ledger.jobs.events("b")[0].data == {"replaces": "a"}


def test_what_replaces_a_failed_job_may_differ_from_it(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    ended(ledger, "a", State.FAILED)
    with pytest.raises(IdempotencyConflict):
        ledger.intake.accept(new_job("b", idempotency_key="k", filter_id=13))
    accepted = ledger.intake.accept(new_job("b", idempotency_key="k", filter_id=13, replace_failed=True))
    assert accepted[:2] == ("b", True)


def test_a_replaced_job_that_comes_to_rest_later_takes_no_key_with_it(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    found = ledger.transitions.open("a", 1)
    assert found is not None
    moved_on = ledger.transitions.advance(found.job, Change(to=State.FAILED, due_in=5))
    assert isinstance(moved_on, Advanced)
    ledger.intake.accept(new_job("b", idempotency_key="k", replace_failed=True))
    ledger.transitions.advance(moved_on.job, Change(to=State.FAILED))
    assert key_ttl(ledger) == -1


@pytest.mark.parametrize("state", [State.EXPIRED, State.CANCELED])
def test_every_end_but_success_can_be_replaced(ledger: Ledger, state: State) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    ended(ledger, "a", state)
    assert ledger.intake.accept(new_job("b", idempotency_key="k", replace_failed=True))[:2] == (
        "b",
        True,
    )


def test_a_job_that_goes_on_or_succeeded_is_never_replaced(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    assert ledger.intake.accept(new_job("b", idempotency_key="k", replace_failed=True))[:2] == (
        "a",
        False,
    )
    ended(ledger, "a", State.SUCCEEDED)
    assert ledger.intake.accept(new_job("b", idempotency_key="k", replace_failed=True))[:2] == (
        "a",
        False,
    )


def test_a_replacement_takes_the_place_in_the_batch(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k", batch="spring"))
    ended(ledger, "a", State.FAILED)
    ledger.intake.accept(new_job("b", idempotency_key="k", batch="spring", replace_failed=True))
    assert ledger.batches.job_ids("spring") == ["b"]


def test_the_request_carries_the_choice(installation: Installation) -> None:
    producer: Producer = installation.producer()
    values = {"image": "https://pictures.example.com/me.jpg", "gender": 0, "filter_id": 12, "idempotency_key": "k"}
    first = producer.enqueue(SwapRequest(**values))
    ended(producer.ledger, first.job_id, State.FAILED)
    again = producer.enqueue(SwapRequest(**values))
    assert (again.job_id, again.created) == (first.job_id, False)
    new = producer.enqueue(SwapRequest(**values, replace_failed=True))
    assert (new.created, producer.get(new.job_id).state) == (True, State.QUEUED)
    after = producer.enqueue(SwapRequest(**values))
    assert (after.job_id, after.created) == (new.job_id, False)
