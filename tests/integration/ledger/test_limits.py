"""What stops the waiting line, and that nothing else does: slots, rate, credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.redis.fixtures import new_job
from swapline_producer.cli.account.caps import print_caps, reached_caps
from swapline_producer.contract import Job, State
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_producer.contract.timestamps import rfc3339
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger


def limited(ledger: Ledger, slots: int = 100, rate: float | None = None, credits_per_day: int | None = None) -> None:
    ledger.limits.configure(
        Limits(max_in_flight=slots, rescue_after=15, submit_rate=rate, credits_per_day=credits_per_day),
    )


def lined_up(ledger: Ledger, *job_ids: str, tenant: str = "default") -> list[str]:
    """Enqueue and line up; gives the jobs that were given a slot, in their order."""
    granted = []
    for job_id in job_ids:
        ledger.intake.accept(new_job(job_id, tenant=tenant, queue_ttl=10 * 86_400))
        opened = ledger.transitions.open(job_id, 1)
        assert opened is not None
        granted += [message.job_id for message in ledger.transitions.line_up(opened.job) or ()]
    return granted


def claimed(ledger: Ledger) -> list[str]:
    """The jobs that a claim gives a slot to, in their order."""
    before = ledger.limits.slots().in_flight
    messages = ledger.transitions.claim(ROUTES).messages
    return [message.job_id for message in messages if message.version == 2 and message.job_id not in before]


def submitting(ledger: Ledger, job_id: str) -> Job:
    opened = ledger.transitions.open(job_id, 2)
    assert opened is not None
    return opened.job


def test_submissions_keep_to_their_rate_and_a_claim_returns_when_the_next_may_go(ledger: Ledger, time: Time) -> None:
    limited(ledger, rate=2)
    assert lined_up(ledger, "a", "b", "c", "d") == ["a"]
    for job_id in "bcd":
        assert ledger.transitions.claim(ROUTES).next_at == time.at + 400  # a tenth of a second ahead of the rate
        time.pass_(0.399)
        assert claimed(ledger) == []
        time.pass_(0.101)
        assert claimed(ledger) == [job_id]


def test_a_rate_that_was_not_used_is_not_saved_up(ledger: Ledger, time: Time) -> None:
    limited(ledger, rate=2)
    time.pass_(3600)
    assert lined_up(ledger, "a", "b", "c") == ["a"]


def test_the_daily_credits_stop_the_line_until_the_next_day(ledger: Ledger, time: Time) -> None:
    limited(ledger, credits_per_day=5)
    assert lined_up(ledger, "a", "b", "c") == ["a", "b"]
    assert ledger.limits.credits().per_day == 5
    time.at = (time.at // 86_400_000 + 1) * 86_400_000
    assert claimed(ledger) == ["c"]


def test_a_tenants_credits_stop_that_tenant_only(ledger: Ledger, time: Time) -> None:
    limited(ledger)
    ledger.limits.set_credits("poor", 2)
    assert lined_up(ledger, "p1", "p2", "p3", tenant="poor") == ["p1"]
    assert lined_up(ledger, "r1", "r2", tenant="rich") == ["r1", "r2"]
    time.at = (time.at // 86_400_000 + 1) * 86_400_000
    assert claimed(ledger) == ["p2"]


def test_a_tenant_may_have_any_name(ledger: Ledger) -> None:
    limited(ledger)
    for tenant in ("over", "aside", "high", "all"):
        ledger.limits.set_credits(tenant, 2)
        assert lined_up(ledger, f"{tenant}1", f"{tenant}2", tenant=tenant) == [f"{tenant}1"]
    assert claimed(ledger) == []


def test_a_cap_that_is_raised_lets_its_tenant_go_on_at_once(ledger: Ledger) -> None:
    limited(ledger)
    ledger.limits.set_credits("poor", 2)
    lined_up(ledger, "p1", "p2", "p3", tenant="poor")
    ledger.limits.set_credits("poor", 4)
    assert claimed(ledger) == ["p2"]
    ledger.limits.set_credits("poor", None)
    assert claimed(ledger) == ["p3"]


@pytest.mark.parametrize(
    "uncharged",
    [
        Change(to=State.FAILED, refund=True),
        Change(
            to=State.QUEUED, in_line=True, due_by="queue_until", refund=True, trip=BreakerTrip(reason="down", wait=60)
        ),
    ],
)
def test_what_was_not_charged_is_not_spent(ledger: Ledger, uncharged: Change) -> None:
    limited(ledger, credits_per_day=2)
    assert lined_up(ledger, "a", "b") == ["a"]
    assert spent_today(ledger) == 2
    advanced = ledger.transitions.advance(submitting(ledger, "a"), uncharged)
    assert isinstance(advanced, Advanced)
    assert spent_today(ledger) == (2 if advanced.granted else 0)
    assert [message.job_id for message in advanced.granted] == ([] if uncharged.trip else ["b"])


def spent_today(ledger: Ledger) -> int:
    days = list(ledger.client.scan_iter(f"{ledger.prefix}:spent:*"))
    return sum(int(ledger.client.hget(day, "all") or 0) for day in days)


def test_a_person_changes_the_slots_while_it_runs(ledger: Ledger) -> None:
    limited(ledger, slots=1)
    assert lined_up(ledger, "a", "b", "c", "d") == ["a"]
    ledger.limits.set_slots(3)
    assert claimed(ledger) == ["b", "c"]
    assert ledger.limits.slots().limit == 3
    ledger.limits.set_slots(0)
    assert isinstance(ledger.transitions.advance(submitting(ledger, "a"), Change(to=State.FAILED)), Advanced)
    assert claimed(ledger) == []
    ledger.limits.set_slots(None)
    assert ledger.limits.slots().limit == 1


def test_ten_thousand_slots_are_given_out_in_small_moves(ledger: Ledger) -> None:
    limited(ledger, slots=1)
    lined_up(ledger, *(f"j{number}" for number in range(1_000)))
    ledger.limits.set_slots(10_000)
    rounds = []
    while more := claimed(ledger):
        rounds.append(len(more))
    assert rounds == [100] * 9 + [99]
    assert len(ledger.limits.slots().in_flight) == 1_000


def test_a_job_whose_time_in_the_line_is_over_is_given_no_slot(ledger: Ledger, time: Time) -> None:
    limited(ledger, slots=0)
    ledger.intake.accept(new_job("late", queue_ttl=5))
    opened = ledger.transitions.open("late", 1)
    assert opened is not None
    ledger.transitions.line_up(opened.job)
    time.pass_(5)
    limited(ledger, slots=1)
    assert [(message.job_id, message.version) for message in ledger.transitions.claim(ROUTES).messages] == [("late", 1)]
    assert ledger.limits.slots().in_flight == ()


def test_a_tenant_with_many_jobs_delays_one_with_one_by_a_single_turn(ledger: Ledger) -> None:
    limited(ledger, slots=1)
    lined_up(ledger, *(f"m{number:03}" for number in range(300)), tenant="many")
    lined_up(ledger, "o1", tenant="one")
    first = ledger.transitions.advance(submitting(ledger, "m000"), Change(to=State.FAILED))
    assert isinstance(first, Advanced)
    order = [first.granted[0].job_id]
    second = ledger.transitions.advance(submitting(ledger, order[0]), Change(to=State.FAILED))
    assert isinstance(second, Advanced)
    order.append(second.granted[0].job_id)
    assert "o1" in order


def test_the_front_of_the_line_is_who_will_be_next(ledger: Ledger) -> None:
    limited(ledger, slots=0)
    for tenant, number in (("a", 1), ("a", 2), ("b", 3)):
        url = f"https://pictures.example/{number}.jpg"
        ledger.intake.accept(new_job(f"j{number}", tenant=tenant, image={"kind": "url", "url": url}))
        opened = ledger.transitions.open(f"j{number}", 1)
        assert opened is not None
        ledger.transitions.line_up(opened.job)
    front = [image.url[-5] for image in ledger.jobs.next_inputs(2) if image.kind == "url"]
    limited(ledger, slots=2)
    assert [f"j{number}" for number in front] == claimed(ledger) == ["j1", "j3"]


def test_slots_names_the_caps_that_jobs_wait_for(ledger: Ledger, time: Time) -> None:
    time.at = int(ledger.client.time()[0]) * 1000  # `credits` asks the server for the day
    limited(ledger)
    ledger.limits.set_credits("poor", 2)
    ledger.limits.set_credits("idle", 0)
    lined_up(ledger, "p1", "p2", "p3", tenant="poor")
    tomorrow = rfc3339((time.at // 86_400_000 + 1) * 86_400_000)
    poor = {"tenant": "poor", "jobs": 2, "spent": 2, "per_day": 2, "until": tomorrow}
    assert reached_caps(ledger, ledger.limits.slots()) == [poor]
    limited(ledger, credits_per_day=3)
    everyone = {"tenant": None, "jobs": 2, "spent": 2, "per_day": 3, "until": tomorrow}
    assert reached_caps(ledger, ledger.limits.slots()) == [everyone, poor]
    ledger.limits.forget(["credits_per_day"])
    ledger.limits.set_credits("poor", None)
    assert reached_caps(ledger, ledger.limits.slots()) == []


def test_the_command_prints_them(ledger: Ledger, time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    time.at = int(ledger.client.time()[0]) * 1000  # `credits` asks the server for the day
    limited(ledger)
    ledger.limits.set_credits("poor", 2)
    lined_up(ledger, "p1", "p2", tenant="poor")
    print_caps(reached_caps(ledger, ledger.limits.slots()))
    printed = capsys.readouterr().out.replace("\n", " ")
    assert printed.startswith("1 waiting for tomorrow (")
    assert printed.endswith("cap of tenant poor: 2 of 2 credits are spent (`swapline credits set poor N`) ")
