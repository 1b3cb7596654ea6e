"""Several vendor accounts under one line: each slot goes to the next job that may use it, and each cap holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.redis.fixtures import new_job, with_accounts
from swapline_producer.contract import FailureCode, Job, Priority, State, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_producer.errors import NotPossible, RequestError, WrongOwner
from swapline_producer.ledger.accounts.registry import Vendor
from swapline_producer.ledger.accounts.workers import LIFE_MS, AccountShown
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger

REFUSED = BreakerTrip(kind="unauthorized", reason="the vendor refuses the key", wait=5)
OUT_OF_CREDITS = BreakerTrip(kind="credits", reason="the account is out of credits", wait=300, longest=300)


def accepted(ledger: Ledger, *job_ids: str, **values: Any) -> list[str]:
    """Accept jobs and line them up, as a worker does; return those that were given a slot."""
    granted: list[str] = []
    for job_id in job_ids:
        messages = ledger.intake.accept(new_job(job_id, queue_ttl=1e6, **values)).messages
        if [(message.job_id, message.version) for message in messages] == [(job_id, 1)]:  # no worker claims yet
            messages = ledger.transitions.line_up(job(ledger, job_id)) or ()
        granted += [message.job_id for message in messages]
    return granted


def claimed(ledger: Ledger) -> list[str]:
    before = ledger.limits.slots().in_flight
    ledger.transitions.claim(ROUTES)
    return [job_id for job_id in ledger.limits.slots().in_flight if job_id not in before]


def in_use(ledger: Ledger) -> dict[str, int]:
    return {one.name: len(one.in_flight) for one in ledger.pool.views()}


def job(ledger: Ledger, job_id: str) -> Job:
    return ledger.jobs.get(job_id)


def running(ledger: Ledger, job_id: str) -> Job:
    """Bring a job with a slot to the vendor."""
    sending = written(ledger, job_id, transitions.attempted(job(ledger, job_id), rescue_after=99)).job
    return written(ledger, job_id, transitions.submitted(sending, f"v-{job_id}", "X", poll_in=99)).job


def written(ledger: Ledger, job_id: str, change: Change) -> Advanced:
    answer = ledger.transitions.advance(job(ledger, job_id), change)
    assert isinstance(answer, Advanced)
    return answer


def ended(ledger: Ledger, job_id: str) -> list[str]:
    """End a job with a slot; return the jobs that were given one by that."""
    change = transitions.failed(job(ledger, job_id), FailureCode.VENDOR_FAILED, "", rescue_after=0)
    done = ledger.transitions.advance(job(ledger, job_id), change)
    assert isinstance(done, Advanced)
    return [message.job_id for message in done.granted]


def test_each_cap_holds_and_a_freed_slot_goes_to_the_next_job_in_the_same_move(ledger: Ledger) -> None:
    with_accounts(ledger, a=3, b=4, c=8)
    names = [f"j{n}" for n in range(20)]
    assert accepted(ledger, *names) == names[:15]
    assert in_use(ledger) == {"a": 3, "b": 4, "c": 8}
    assert Counter(job(ledger, name).account for name in names[:15]) == {"a": 3, "b": 4, "c": 8}
    for number, name in enumerate(names[:5]):
        account = job(ledger, name).account
        assert ended(ledger, name) == [names[15 + number]]
        assert job(ledger, names[15 + number]).account == account
    assert in_use(ledger) == {"a": 3, "b": 4, "c": 8}


def test_free_slots_are_filled_by_weight(ledger: Ledger) -> None:
    four = Limits(max_in_flight=4)
    with_accounts(ledger, a=AccountShown(limits=four, weight=1), b=AccountShown(limits=four, weight=3))
    accepted(ledger, "j1", "j2", "j3")
    assert in_use(ledger) == {"a": 0, "b": 3}
    accepted(ledger, "j4")
    assert in_use(ledger) == {"a": 1, "b": 3}


def test_jobs_accepted_in_bulk_are_spread_by_the_next_claim(ledger: Ledger) -> None:
    with_accounts(ledger, a=2, b=2)
    ledger.intake.accept_many([new_job(f"j{n}", queue_ttl=1e6) for n in range(3)])
    claimed(ledger)
    assert sorted(in_use(ledger).values()) == [1, 2]


def test_a_pinned_job_waits_for_its_account_and_nobody_waits_behind_it(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    assert accepted(ledger, "a1", "a2", account="a") == ["a1"]
    assert accepted(ledger, "free1", "free2") == ["free1"]
    assert (job(ledger, "a1").account, job(ledger, "free1").account) == ("a", "b")
    assert ended(ledger, "free1") == ["free2"]
    assert ended(ledger, "free2") == []  # b has nothing to do: a2 may not use it
    assert ended(ledger, "a1") == ["a2"]
    assert job(ledger, "a2").spec.account == "a"


def test_a_slot_goes_to_the_best_head_of_all_sublines_that_its_account_may_use(ledger: Ledger) -> None:
    with_accounts(ledger, a=(1, ("eu",)), b=1)
    assert accepted(ledger, "x", "y") == ["x", "y"]
    assert accepted(ledger, "low", priority=Priority.LOW, account="a", tenant="t1") == []
    assert accepted(ledger, "first", account="eu", tenant="t2") == []
    assert accepted(ledger, "second", tenant="t3") == []
    assert accepted(ledger, "high", priority=Priority.HIGH, account="a", tenant="t4") == []
    on_a = next(name for name in ("x", "y") if job(ledger, name).account == "a")
    order = []
    for _ in range(4):
        [on_a] = ended(ledger, on_a)
        order.append(on_a)
    assert order == ["high", "first", "second", "low"]


def test_a_tenant_may_be_pinned_and_its_waiting_jobs_follow(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=(1, ("brand-b",)))
    accepted(ledger, "x", "y")
    accepted(ledger, *(f"acme{n}" for n in range(5)), tenant="acme")
    accepted(ledger, "own", tenant="acme", account="a")
    ledger.pool.pin("acme", ["brand-b"])
    assert ledger.pool.pins() == {"acme": ("brand-b",)}
    assert ledger.occupancy.waiting_of(["acme"]) == [6]
    on = {job(ledger, name).account: name for name in ("x", "y")}
    assert ended(ledger, on["a"]) == ["own"]
    assert ended(ledger, on["b"]) == ["acme0"]
    ledger.pool.pin("acme", [])
    assert ended(ledger, "own") == ["acme1"]
    with pytest.raises(NotPossible, match=r"no account or label 'c'; there are a, b, brand-b"):
        ledger.pool.pin("acme", ["c"])


def test_a_request_for_an_unknown_account_is_refused_in_one_sentence(ledger: Ledger) -> None:
    with pytest.raises(RequestError, match="no account or label 'a'; there are default"):
        ledger.intake.accept(new_job("j", account="a"))
    ledger.intake.accept(new_job("k", account="default"))
    with_accounts(ledger, a=(1, ("eu",)), b=1)
    with pytest.raises(RequestError, match="no account or label 'c'; there are a, b, eu"):
        ledger.intake.accept(new_job("j", account="c"))


def test_an_account_without_a_version_of_the_api_is_given_no_job_of_it(ledger: Ledger) -> None:
    with_accounts(ledger, a=AccountShown(limits=Limits(max_in_flight=5), api_versions=("v6",)), b=1)
    assert accepted(ledger, "old1", "old2", api_version="v5") == ["old1"]
    assert (job(ledger, "old1").account, in_use(ledger)) == ("b", {"a": 0, "b": 1})
    assert accepted(ledger, "new") == ["new"]
    assert ended(ledger, "old1") == ["old2"]


ONLY_V6 = AccountShown(limits=Limits(max_in_flight=5), api_versions=("v6",))


def test_jobs_that_wait_are_not_given_to_an_account_that_is_named_later_and_lacks_their_version(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    assert accepted(ledger, "j1", "j2") == ["j1", "j2"]
    assert accepted(ledger, "old1", "old2", api_version="v5") == accepted(ledger, "new") == []
    with_accounts(ledger, a=1, b=1, c=ONLY_V6)
    assert claimed(ledger) == ["new"]
    assert in_use(ledger) == {"a": 1, "b": 1, "c": 1}
    assert [ended(ledger, name) for name in ("j1", "j2")] == [["old1"], ["old2"]]


def test_the_only_account_with_a_version_cannot_be_left_out_while_a_job_of_it_waits(ledger: Ledger) -> None:
    with_accounts(ledger, a=ONLY_V6, b=1)
    ledger.pool.set_drained("b", drained=True)
    assert accepted(ledger, "old", api_version="v5") == []
    with pytest.raises(WrongOwner, match=r"account 'b' still has 1 jobs"):
        with_accounts(ledger, a=ONLY_V6)
    with_accounts(ledger, a=1)
    assert claimed(ledger) == ["old"]


def test_a_refusal_of_one_account_is_no_others_and_its_job_goes_elsewhere_in_the_same_move(
    ledger: Ledger, time: Time
) -> None:
    with_accounts(ledger, a=2, b=2)
    accepted(ledger, "j1", "j2", "j3")
    refused = next(name for name in ("j1", "j2", "j3") if in_use(ledger)[job(ledger, name).account] == 1)
    was = job(ledger, refused).account
    other = {"a": "b", "b": "a"}[was]
    third = next(name for name in ("j1", "j2", "j3") if job(ledger, name).account == other)
    ended(ledger, third)
    answer = ledger.transitions.advance(job(ledger, refused), transitions.refused(job(ledger, refused), REFUSED, {}))
    assert isinstance(answer, Advanced)
    assert [message.job_id for message in answer.granted] == [refused]
    assert job(ledger, refused).account == other
    views = {one.name: one for one in ledger.pool.views()}
    assert (views[was].trips, views[other].trips) == (1, 0)
    assert not ledger.limits.slots().paused
    assert accepted(ledger, "j4", "j5") == []  # one is full, the other is refused
    time.pass_(5)
    assert len(claimed(ledger)) == 1  # one job probes


def test_a_job_that_every_account_refused_goes_to_the_first_that_is_well_again(ledger: Ledger, time: Time) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j1", "j2")
    on = {job(ledger, name).account: name for name in ("j1", "j2")}
    for account in ("b", "a"):
        refused = transitions.refused(job(ledger, on[account]), OUT_OF_CREDITS if account == "a" else REFUSED, {})
        written(ledger, on[account], refused)
    time.pass_(REFUSED.wait)
    assert claimed(ledger) == [on["b"]]  # it probes, and is accepted: b is well again, and a is not for five minutes
    assert running(ledger, on["b"]).account == "b"
    assert ended(ledger, on["b"]) == [on["a"]]
    assert job(ledger, on["a"]).account == "b"


def refused(ledger: Ledger, job_id: str, *, trip: BreakerTrip = OUT_OF_CREDITS) -> list[str]:
    """Have the account of a job refuse it; return the jobs that were given a slot by that."""
    answer = ledger.transitions.advance(job(ledger, job_id), transitions.refused(job(ledger, job_id), trip, {}))
    assert isinstance(answer, Advanced)
    return [message.job_id for message in answer.granted]


def test_a_refused_job_follows_its_tenants_pin(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    ledger.pool.pin("acme", ["a"])
    accepted(ledger, "waits", tenant="acme")
    assert refused(ledger, "waits") == []
    ledger.pool.pin("acme", ["b"])
    assert claimed(ledger) == ["waits"]
    assert job(ledger, "waits").account == "b"


def test_a_job_whose_tenant_was_pinned_during_its_call_is_refused_there_and_goes_on_elsewhere(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    ledger.pool.pin("acme", ["a"])
    accepted(ledger, "sent", tenant="acme")
    ledger.pool.pin("acme", ["b"])
    assert refused(ledger, "sent") == ["sent"]
    assert job(ledger, "sent").account == "b"


def test_jobs_that_an_account_refused_go_on_when_it_is_left_out(ledger: Ledger, time: Time) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j1", "j2")
    on = {job(ledger, name).account: name for name in ("j1", "j2")}
    refused(ledger, on["b"], trip=REFUSED)
    refused(ledger, on["a"])
    with_accounts(ledger, b=1)
    time.pass_(REFUSED.wait)
    assert claimed(ledger) == [on["a"]]


def test_jobs_that_the_single_account_refused_go_on_when_others_are_named(ledger: Ledger) -> None:
    accepted(ledger, "j1")
    refused(ledger, "j1")
    with_accounts(ledger, a=1)
    assert claimed(ledger) == ["j1"]
    assert job(ledger, "j1").account == "a"


def test_a_job_that_every_account_refuses_for_its_own_sake_fails_and_stops_nobody_for_long(
    ledger: Ledger, time: Time
) -> None:
    """Each account learns it once; after that the refusals are the job's own."""
    with_accounts(ledger, a=2, b=2)
    accepted(ledger, "bad")
    own = 0
    for _ in range(40):
        bad = job(ledger, "bad")
        if bad.state is State.SUBMITTING:
            ledger.transitions.advance(bad, transitions.refused(bad, REFUSED, {}))
            own = job(ledger, "bad").own_refusals
        good = accepted(ledger, f"g{time.at}")
        for name in good:
            if name != "bad":
                running(ledger, name)
                ended(ledger, name)
        time.pass_(6)
        opened = ledger.transitions.open("bad", job(ledger, "bad").version)
        if opened and opened.job.state is State.QUEUED:
            ledger.transitions.line_up(opened.job)
        ledger.transitions.claim(ROUTES)
        if own >= 3:
            break
    assert own >= 3


def test_the_daily_credits_of_an_account_stop_that_one_only(ledger: Ledger) -> None:
    with_accounts(ledger, a=AccountShown(limits=Limits(max_in_flight=9, credits_per_day=4)), b=1)
    assert len(accepted(ledger, *(f"j{n}" for n in range(9)))) == 3
    assert in_use(ledger) == {"a": 2, "b": 1}
    views = {one.name: one for one in ledger.pool.views()}
    assert (views["a"].credits_today, views["b"].credits_today) == (4, 2)
    [day] = ledger.client.scan_iter(f"{ledger.prefix}:spent:*")
    by_account = {"account:a": "4", "account:a:tenant:default": "4", "account:b": "2", "account:b:tenant:default": "2"}
    assert ledger.client.hgetall(day) == {"all": "6", "tenant:default": "6", **by_account}


def test_a_drained_account_is_given_no_job_and_ends_those_it_has(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j1", "j2", "j3", "j4")
    ledger.pool.set_drained("a", drained=True)
    on = {job(ledger, name).account: name for name in ("j1", "j2")}
    assert ended(ledger, on["a"]) == []
    assert ended(ledger, on["b"]) == ["j3"]
    ledger.pool.set_drained("a", drained=False)
    assert claimed(ledger) == ["j4"]
    with pytest.raises(NotPossible, match=r"no account 'c'; there are a, b"):
        ledger.pool.set_drained("c", drained=True)


def test_an_account_with_jobs_cannot_be_left_out(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j1", "j2")
    with pytest.raises(WrongOwner, match=r"account 'b' still has 1 jobs.*accounts drain b"):
        with_accounts(ledger, a=1)
    on = {job(ledger, name).account: name for name in ("j1", "j2")}
    ended(ledger, on["b"])
    with_accounts(ledger, a=1)
    assert list(ledger.pool.known()) == ["a"]


def test_an_account_that_refused_a_job_of_its_own_cannot_be_left_out(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "own", account="a")
    refused(ledger, "own")
    with pytest.raises(WrongOwner, match=r"account 'a' still has 1 jobs"):
        with_accounts(ledger, b=1)


def test_an_account_to_which_a_tenant_is_pinned_cannot_be_left_out(ledger: Ledger) -> None:
    with_accounts(ledger, a=(1, ("eu",)), b=1, c=(1, ("eu",)))
    ledger.pool.pin("acme", ["eu"])
    with_accounts(ledger, b=1, c=(1, ("eu",)))
    with pytest.raises(WrongOwner, match=r"'acme' is pinned to the account 'c'.*tenants set acme --accounts"):
        with_accounts(ledger, b=1)
    ledger.pool.pin("acme", [])
    with_accounts(ledger, b=1)


def test_the_single_accounts_jobs_stay_its_own_when_accounts_are_named(ledger: Ledger) -> None:
    accepted(ledger, "old")
    with pytest.raises(WrongOwner, match="account 'default' still has 1 jobs"):
        with_accounts(ledger, a=1)
    with_accounts(ledger, default=2, a=1)
    assert {one.name: one.jobs for one in ledger.pool.views()} == {"a": 0, "default": 1}
    assert accepted(ledger, "j1", "j2", "j3") == ["j1", "j2"]
    assert ended(ledger, "old") == ["j3"]


def test_accounts_are_used_once_every_living_worker_knows_them(ledger: Ledger, time: Time) -> None:
    with_accounts(ledger, "w1", a=1)
    with_accounts(ledger, "w2", a=1, b=1)
    assert list(ledger.pool.known()) == ["a"]
    time.pass_(LIFE_MS / 1000)
    with_accounts(ledger, "w2", a=1, b=1)
    assert list(ledger.pool.known()) == ["a", "b"]


def test_a_new_key_of_a_named_account_is_its_key_from_then_on(ledger: Ledger) -> None:
    salt = "5a" * 16
    one = {"a": Vendor("https://a.example", simulated=False, key=f"{salt}:one")}
    two = {"a": one["a"]._replace(key=f"{salt}:two")}
    assert ledger.workers.join_accounts(one).new_keys == ()
    assert ledger.workers.join_accounts(two).new_keys == ("a",)
    assert ledger.workers.join_accounts(one).new_keys == ()  # a worker that has not read its file again
    with pytest.raises(WrongOwner, match="account 'a' of this ledger belongs to"):
        ledger.workers.join_accounts({"a": one["a"]._replace(address="https://b.example")})


def test_an_ambiguous_call_is_made_again_on_its_own_account_only(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j1", "j2")
    first = ledger.transitions.advance(job(ledger, "j1"), transitions.attempted(job(ledger, "j1"), rescue_after=9))
    assert isinstance(first, Advanced)
    account = first.job.account
    ended(ledger, "j2")
    again = ledger.transitions.advance(first.job, transitions.requeued(first.job, "lost", {}))
    assert isinstance(again, Advanced)
    assert job(ledger, "j1").account == account
    assert in_use(ledger)[account] == 1


def test_a_late_reply_brings_a_job_back_to_the_account_that_was_charged(ledger: Ledger) -> None:
    """It was given another account's slot meanwhile, unsent: that slot is free again."""
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j1", "j2", "j3")
    sent = job(ledger, "j1")
    other = {"a": "b", "b": "a"}[sent.account]
    ledger.client.hset(f"{ledger.prefix}:job:j2", "account", other)
    change = transitions.submitted(job(ledger, "j2"), "v2", "X", poll_in=9)
    moved = change.model_copy(update={"fields": {**change.fields, "account": sent.account}})
    answer = ledger.transitions.advance(job(ledger, "j2"), moved)
    assert isinstance(answer, Advanced)
    assert job(ledger, "j2").account == sent.account
    assert [message.job_id for message in answer.granted] == ["j3"]
    assert in_use(ledger)[sent.account] == 2  # paid is paid, cap or no cap
    assert {one.name: one.credits_today for one in ledger.pool.views()} == {sent.account: 4, other: 2}


def written_again(ledger: Ledger, job_id: str, on: str, attempts: int = 1) -> Advanced:
    """Write the attempt of a call on an account again, which the ledger has lost."""
    found = job(ledger, job_id)
    paying = found.model_copy(update={"account": on, "attempts": attempts, "attempt_open": True})
    change = transitions.attempted_before(found, paying, rescue_after=15)
    answer = ledger.transitions.restore_attempt(found, change, token="t")
    assert isinstance(answer, Advanced)
    return answer


def other_than(account: str) -> str:
    return {"a": "b", "b": "a"}[account]


def test_an_attempt_that_is_written_again_takes_a_slot_of_the_called_account_and_frees_the_others(
    ledger: Ledger, time: Time
) -> None:
    with_accounts(ledger, a=1, b=1)
    ledger.transitions.claim({})
    accepted(ledger, "j")
    left = job(ledger, "j").account
    called = other_than(left)
    time.pass_(1)
    written_again(ledger, "j", on=called)
    assert {name: ledger.client.zrange(ledger.scripts.key("jobs", name), 0, -1) for name in "ab"} == {
        left: [],
        called: ["j"],
    }
    levels = {name: ledger.client.hget(ledger.scripts.key("level", name), "now") for name in "ab"}
    assert levels == {left: "0 1 0 none", called: "1 0 0 none"}
    assert accepted(ledger, "next") == ["next"]
    assert job(ledger, "next").account == left


def test_credits_of_an_attempt_that_is_written_again_are_given_back_on_the_day_that_counted_them(
    ledger: Ledger, time: Time
) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j")
    called = other_than(job(ledger, "j").account)
    time.pass_(86_400)
    paying = written_again(ledger, "j", on=called).job
    written(ledger, "j", transitions.refused(paying, REFUSED, {}))
    days = [ledger.client.hgetall(day) for day in ledger.client.scan_iter(match=ledger.scripts.key("spent", "*"))]
    assert {numbers.get(f"account:{called}", "0") for numbers in days} == {"0"}


def test_a_refused_job_whose_attempt_on_another_account_is_written_again_waits_for_no_breaker(ledger: Ledger) -> None:
    with_accounts(ledger, a=1, b=1)
    accepted(ledger, "j")
    left = job(ledger, "j").account
    written(ledger, "j", transitions.attempted(job(ledger, "j"), rescue_after=15))
    ledger.pool.set_drained(other_than(left), drained=True)  # else it takes the job over at once
    written(ledger, "j", transitions.refused(job(ledger, "j"), REFUSED, {}))
    assert ledger.client.zrange(ledger.scripts.key("refused", left), 0, -1) == ["j"]
    written_again(ledger, "j", on=other_than(left), attempts=2)
    assert ledger.client.zrange(ledger.scripts.key("refused", left), 0, -1) == []
