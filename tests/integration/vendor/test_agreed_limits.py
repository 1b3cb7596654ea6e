"""Limits of the installation are what its workers agree on: none lifts one by leaving it out."""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from support.redis.fixtures import waited_for, with_accounts
from swapline_producer.cli import connections
from swapline_producer.cli.account.limits import limits
from swapline_producer.contract.accounts import Limits
from swapline_producer.ledger import Ledger, connect
from swapline_producer.ledger.accounts.registry import Vendor
from swapline_producer.ledger.accounts.workers import LIFE_MS, AccountShown, LimitChange, WorkerRecord
from swapline_producer.operations.doctor import Verdict
from swapline_producer.operations.doctor import ledger as of_ledger
from swapline_workers.runtime.installation.membership import named_limits
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_producer.ledger.accounts.workers import Joined

VENDOR = Vendor("https://vendor.example", simulated=False)


def shown(ledger: Ledger, worker: str, **limits: Any) -> Joined:
    record = WorkerRecord(worker_id=worker, host=worker, pid=1, started_at=0, limits=Limits(**limits))
    return ledger.workers.join(VENDOR, record)


@pytest.fixture
def empty(ledger: Ledger) -> Ledger:
    ledger.client.delete(f"{ledger.prefix}:limits")
    return ledger


def test_the_first_worker_that_names_a_limit_sets_it_and_one_that_leaves_it_out_keeps_it(empty: Ledger) -> None:
    first = shown(empty, "a", credits_per_day=10, submit_rate=0.5)
    assert set(first.changes) == {LimitChange("credits_per_day", None, 10), LimitChange("submit_rate", None, 0.5)}
    for worker in "bc":
        joined = shown(empty, worker)
        assert (joined.limits, joined.changes) == (Limits(credits_per_day=10, submit_rate=0.5), ())
    empty.workers.leave("a")
    assert shown(empty, "b").limits.credits_per_day == 10
    assert empty.limits.credits().per_day == 10


def test_a_worker_that_names_another_number_changes_nothing_while_the_other_lives(empty: Ledger) -> None:
    shown(empty, "a", max_in_flight=3)
    joined = shown(empty, "b", max_in_flight=30)
    assert (joined.limits.max_in_flight, joined.changes) == (3, ())
    assert empty.limits.slots().limit == 3


def test_a_rolling_restart_changes_a_limit_when_the_last_old_worker_is_gone(empty: Ledger, time: Time) -> None:
    for worker in "abc":
        shown(empty, worker, credits_per_day=10, rescue_after=3)
    for worker in "abc":
        assert shown(empty, f"new-{worker}", credits_per_day=20, rescue_after=3).limits.credits_per_day == 10
        empty.workers.leave(worker) if worker != "c" else time.pass_(LIFE_MS / 1000)  # the last one was killed
    joined = shown(empty, "new-a", credits_per_day=20, rescue_after=3)
    assert joined.changes == (LimitChange("credits_per_day", 10, 20),)
    assert [worker.worker_id for worker in empty.workers.alive()] == ["new-a"]


@given(data=st.data())
def test_whatever_workers_come_and_go_a_limit_is_never_lifted_and_is_what_all_who_name_it_say(
    valkey: Any, data: st.DataObject
) -> None:
    at = 1_000_000_000
    named: dict[str, int | None] = {}
    with closing(connect(valkey.url)) as client:
        ledger = Ledger(client, f"t{secrets.token_hex(6)}", clock=lambda: at)
        counts: float | None = None
        for _ in range(data.draw(st.integers(1, 12))):
            worker = data.draw(st.sampled_from("abc"))
            if data.draw(st.booleans()):
                named[worker] = data.draw(st.none() | st.integers(1, 3))
                now = shown(ledger, worker, credits_per_day=named[worker]).limits.credits_per_day
                named_values = {value for value in named.values() if value is not None}
                expected = named_values.pop() if len(named_values) == 1 else counts
                assert now == expected
                counts = now
            else:
                named.pop(worker, None)
                ledger.workers.leave(worker)


def test_doctor_says_where_workers_differ_and_what_no_worker_names(empty: Ledger) -> None:
    assert [finding.verdict for finding in of_ledger.limits(empty)] == [Verdict.OK]
    shown(empty, "a", credits_per_day=10, max_in_flight=3)
    shown(empty, "b", credits_per_day=1000)
    [finding] = of_ledger.limits(empty)
    assert (finding.verdict, finding.found) == (
        Verdict.WARN,
        "workers name 10 and 1000 as CREDITS_PER_DAY, and 10 counts",
    )
    empty.workers.leave("a")
    shown(empty, "b", credits_per_day=10)
    [finding] = of_ledger.limits(empty)
    assert "MAX_IN_FLIGHT 3: it counts, and no worker's settings name it" in finding.found
    assert "limits forget" in finding.advice


def test_the_limits_of_an_account_are_shown_set_and_lifted_by_its_name(
    empty: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*arguments: str) -> Any:
        done = CliRunner().invoke(limits, list(arguments))
        return done.exception or json.loads(done.output or "null") if "--json" in arguments else done.exception

    monkeypatch.setattr(connections, "ledger", lambda: empty)
    capped = AccountShown(limits=Limits(max_in_flight=2, credits_per_day=10))
    with_accounts(empty, a=capped, b=1)
    found = asked("--json")
    assert set(found) == {"rescue_after", "poll_rate", "accounts"}
    assert found["accounts"]["a"]["credits_per_day"] == {"value": 10, "named": {"10": ["h (pid 1)"]}}
    assert "h (pid 1) has credits_per_day 10 for a" in str(asked("forget", "CREDITS_PER_DAY", "--account", "a"))
    with_accounts(empty, a=2, b=1)
    assert empty.limits.current("a").credits_per_day == 10
    assert "CREDITS_PER_DAY of a 10: it counts, and no" in next(of_ledger.limits(empty)).found
    assert asked("forget", "CREDITS_PER_DAY", "--account", "a") is None
    assert asked("set", "SUBMIT_RATE", "0.5", "--account", "b") is None
    assert (empty.limits.current("a").credits_per_day, empty.limits.current("b").submit_rate) == (None, 0.5)
    assert "each account: add --account (a, b)" in str(asked("set", "SUBMIT_RATE", "1"))
    assert "leave --account out" in str(asked("set", "POLL_RATE", "1", "--account", "a"))
    assert "no account 'c'" in str(asked("set", "SUBMIT_RATE", "1", "--account", "c"))
    assert asked("set", "POLL_RATE", "1") is None


def test_only_what_somebody_has_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    base: dict[str, Any] = {
        "storage_url": "file:///s",
        "api_base_url": "https://v.example",
        "api_key": SecretStr("k"),
        "api_key_header": "X-Key",
    }
    assert named_limits(WorkerSettings(**base)) == Limits()
    monkeypatch.setenv("SWAPLINE_MAX_IN_FLIGHT", "3")
    monkeypatch.setenv("SWAPLINE_CREDITS_PER_DAY", "")
    assert named_limits(WorkerSettings(**base)) == Limits(max_in_flight=3)


# -- real workers -----------------------------------------------------------------------------------------------


def test_a_worker_without_the_cap_does_not_lift_it_and_one_with_another_reports_it(installation: Installation) -> None:
    def counts() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(installation.cli("limits", "--json").stdout)
        return found

    capped = {"SWAPLINE_CREDITS_PER_DAY": "10", "SWAPLINE_MAX_IN_FLIGHT": "2"}
    installation.more |= capped
    with installation.worker() as first:
        for name in capped:
            del installation.more[name]
        with installation.worker():
            assert (counts()["credits_per_day"]["value"], counts()["max_in_flight"]["value"]) == (10, 2)
        installation.more |= {"SWAPLINE_CREDITS_PER_DAY": "1000"}
        with installation.worker() as other:
            words = "SWAPLINE_CREDITS_PER_DAY is 1000 here, and 10 counts, which another worker names"
            waited_for(lambda: words in other.log())
            assert counts()["credits_per_day"]["value"] == 10
            asked = installation.cli("doctor", "--json")
            found = [check for check in json.loads(asked.stdout)["checks"] if check["name"] == "limits"]
            assert [check["verdict"] for check in found] == ["warn"]
            refused = installation.cli("limits", "set", "CREDITS_PER_DAY", "5")
            assert (refused.returncode, "has SWAPLINE_CREDITS_PER_DAY=10 in its settings" in refused.stderr) == (
                1,
                True,
            )
            first.stop()  # a rolling restart: the last one with the old number goes
            waited_for(lambda: counts()["credits_per_day"]["value"] == 1000)
            assert "SWAPLINE_CREDITS_PER_DAY is 1000 from now on, and was 10" in other.log()
        kept = counts()
        assert kept["max_in_flight"] == {"value": 2, "named": {}}
    for command in (("limits", "forget", "max_in_flight"), ("limits", "set", "CREDITS_PER_DAY", "7")):
        assert installation.cli(*command).returncode == 0
    assert (counts()["max_in_flight"]["value"], counts()["credits_per_day"]["value"]) == (None, 7)
    wrong = installation.cli("limits", "set", "SUBMIT_RATE", "0")
    assert (wrong.returncode, "0 is not in the range" in wrong.stderr) == (2, True)


def test_a_worker_with_a_longer_rescue_renews_as_often_as_the_installation_asks(installation: Installation) -> None:
    installation.more |= {"SWAPLINE_RESCUE_AFTER": "1"}
    installation.vendor.control.change(service_time="fixed:4", mode="status_held")
    with installation.worker("--step", "notify"):
        installation.more |= {"SWAPLINE_RESCUE_AFTER": "60"}
        with installation.worker():
            installation.run(image="https://pictures.example/me.jpg", gender=1, filter_id=12)
    assert "rescues" not in installation.producer().ledger.stats.counters()
