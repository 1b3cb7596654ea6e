"""A short run: everything is killed, stopped and broken, and nothing is lost and nothing paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos.batches import LINES
from chaos.environment import Setup
from chaos.plan import AccountFailure, Deed, Temper, plan
from chaos.play import Play, perform
from chaos.report import page, percentile

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Play(
    Setup(
        seed=3,
        workers=2,
        accounts={"a": 2, "b": 2, "c": 3},
        rescue_after=2,
        service_time="lognormal:1,0.3",
        run_timeout=40,
        modes=("submit_slow_accepted=0.3@0.5", "status_held_pending=2@0.25"),
        steps=True,
        forks=True,
        gateway=True,
    ),
    Temper(
        seconds=30,
        kills=10,
        gateway_kills=4,
        batches=2,
        stops=2,
        longest_stop=5,
        faults=6,
        steps=1,
        longest_step=5,
        account_failures=6,
        longest_failure=5,
        drains=2,
    ),
    every=0.4,
    settle=60,
)
"""Half of the submissions are answered late, so that kills fall between sending and the reply."""


@pytest.mark.timeout(180)  # about a minute when nothing else runs on the machine
def test_nothing_is_lost_and_nothing_paid_twice_whatever_is_killed(tmp_path: Path) -> None:
    verdict = perform(SHORT, tmp_path / "stage")
    report = page(verdict, {"seed": str(SHORT.setup.seed)})
    assert verdict.clean, report
    assert verdict.counts["kills"] == SHORT.temper.kills, report
    assert verdict.counts["jobs accepted"] > SHORT.temper.seconds, report
    assert verdict.counts["kills of the gateway"] == SHORT.temper.gateway_kills, report
    assert verdict.counts["of these by the gateway"] > 0, report
    assert verdict.counts["of these by batch producers"] == SHORT.temper.batches * LINES, report
    assert verdict.counts["kills of a batch producer"] > 0, report
    assert all(verdict.counts[f"charges of the account {name}"] for name in SHORT.setup.accounts), report
    assert verdict.counts["submissions refused while an account was revoked or out of credits"], report
    assert verdict.recovery, report
    median = percentile(sorted(verdict.rescued), 0.5)  # None where every victim waited for a worker, or for Redis
    assert median is None or median < 2 * SHORT.setup.rescue_after, report  # time may have been stepped back


def test_the_same_seed_draws_the_same_plan() -> None:
    temper = Temper(kills=50, steps=5, batches=5, account_failures=9, drains=5)
    assert plan(7, temper, 3, "abc") == plan(7, temper, 3, "abc")
    assert plan(7, temper, 3, "abc") != plan(8, temper, 3, "abc")


def test_of_three_accounts_two_at_most_refuse_at_once() -> None:
    for seed in range(50):
        acts = [
            act
            for act in plan(seed, Temper(seconds=60, account_failures=12), 3, "abc")
            if act.deed is Deed.FAIL_ACCOUNT
        ]
        refusing = [act for act in acts if act.how["failure"] is not AccountFailure.SLOW]
        for act in refusing:
            others = {one.how["account"] for one in refusing if one.at <= act.at < one.at + one.how["seconds"]}
            assert len(others) <= 2, (seed, act)
