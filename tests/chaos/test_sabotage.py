"""The harness can fail: each protection that is taken away shows, and the same play with it in place is clean."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from chaos.environment import now
from chaos.gather import settle
from chaos.plan import POLL, SUBMISSION, Deed
from chaos.proxy import Fault
from chaos.scenes import NEVER_S, REST_S, an_actor, empty_stage, events, give_job, job_of, judged, killed, one_job
from support.redis.fixtures import waited_for

if TYPE_CHECKING:
    from pathlib import Path


ACCOUNTS = {"a": 1, "b": 1, "c": 2}


def sabotaged(protection: str) -> dict[str, str]:
    return {"CHAOS_SABOTAGE": protection} if protection else {}


@pytest.mark.parametrize(("protection", "paid_twice"), [("", 0), ("fencing", 1)])
def test_a_worker_that_was_stopped_too_long_pays_again_only_without_fencing(
    tmp_path: Path, protection: str, paid_twice: int
) -> None:
    breaker = tmp_path / "breaker"
    os.mkfifo(breaker)
    with one_job(tmp_path) as stage:
        first = an_actor(stage, 0, CHAOS_BARRIER=str(breaker), **sabotaged(protection))
        with breaker.open("wb"):  # opens when the worker has leased the job and its attempt is not written yet
            first.signal(signal.SIGSTOP)
            an_actor(stage, 1, **sabotaged(protection))
            settle(stage, [job_of(stage)], seconds=30)
            first.signal(signal.SIGCONT)
        waited_for(lambda: not first.in_hand())
        verdict = judged(stage)
    assert verdict.number("paid twice") == paid_twice, verdict.wrong
    assert verdict.clean is (protection == "")


@pytest.mark.parametrize(("protection", "lost"), [("", 0), ("rescue", 1)])
def test_a_job_in_a_killed_workers_hands_is_lost_only_without_rescue(
    tmp_path: Path, protection: str, lost: int
) -> None:
    with one_job(tmp_path) as stage:
        held_order = stage.link("vendor").order(Fault.HOLD, POLL, times=1)
        first = an_actor(stage, 0, **sabotaged(protection))
        assert held_order.replied.wait(30)
        killed(stage, first)
        an_actor(stage, 1, **sabotaged(protection))
        verdict = judged(stage, NEVER_S if protection else REST_S)
    assert verdict.number("lost") == lost, verdict.wrong
    assert verdict.clean is (protection == "")


@pytest.mark.parametrize(("protection", "paid_twice", "held"), [("", 0, 1), ("attempt", 1, 0)])
def test_a_paid_call_whose_worker_was_killed_is_paid_again_only_without_the_attempts_record(
    tmp_path: Path, protection: str, paid_twice: int, held: int
) -> None:
    with one_job(tmp_path) as stage:
        call = stage.link("vendor").order(Fault.HOLD, SUBMISSION, times=1)
        first = an_actor(stage, 0, **sabotaged(protection))
        assert call.replied.wait(30)
        killed(stage, first)
        an_actor(stage, 1, **sabotaged(protection))
        verdict = judged(stage)
    assert (verdict.number("paid twice"), verdict.counts["HELD"]) == (paid_twice, held), verdict.wrong
    assert verdict.clean is (protection == "")


@pytest.mark.parametrize(
    ("protection", "found"),
    [("", set()), ("account", {"wrong account", "credits"}), ("credits", {"credits"})],
)
def test_a_call_by_another_account_and_its_credits_are_found(tmp_path: Path, protection: str, found: set[str]) -> None:
    with one_job(tmp_path, accounts=ACCOUNTS) as stage:
        an_actor(stage, 0, **sabotaged(protection))
        waited_for(lambda: "succeeded" in events(stage))
        verdict = judged(stage)
    assert {kind for kind, all_ in verdict.wrong.items() if all_} == found, verdict.wrong


@pytest.mark.parametrize(("protection", "given"), [("", 0), ("drain", 1)])
def test_a_slot_of_a_drained_account_is_found(tmp_path: Path, protection: str, given: int) -> None:
    with empty_stage(tmp_path, accounts=ACCOUNTS) as stage:
        record, pool = stage.record("acts"), stage.producer.ledger.pool
        an_actor(stage, 0, **sabotaged(protection))
        waited_for(lambda: list(pool.known()) == list(ACCOUNTS))
        for account in ACCOUNTS:  # c would be next; and this process, which is not sabotaged, gives none away
            pool.set_drained(account, drained=True)
        record({"at": now(), "deed": Deed.DRAIN, "account": "c"})
        give_job(stage)
        if not protection:
            pool.set_drained("a", drained=False)
        waited_for(lambda: "succeeded" in events(stage))
        record({"at": now(), "deed": "the account is resumed", "account": "c"})
        verdict = judged(stage)
    assert verdict.number("drained account") == given, verdict.wrong
    assert verdict.clean is (protection == "")
