"""Real workers with several accounts of the simulated vendor: each job is sent and paid by the account it is of."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import FINISHED, State, Step
from swapline_simulator import Simulator, SimulatorConfig

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from support.programs.installation import Installation, Worker
    from swapline_producer import Producer

SLOTS = {"a": 3, "b": 4, "c": 8}
REQUEST = SwapRequest(image="https://pictures.example/me.jpg", gender=1, filter_id=12)


@pytest.fixture
def vendor() -> Generator[Simulator]:
    accounts = {name: {"key": f"{name}-key", "cap": slots} for name, slots in SLOTS.items()}
    values = {"service_time": "fixed:0.3", "results": "small", "accounts": accounts}
    with Simulator(SimulatorConfig.model_validate(values)) as running:
        yield running


class Pool:
    """An installation whose accounts are in a file."""

    def __init__(self, installation: Installation, vendor: Simulator, file: Path) -> None:
        self.installation, self.vendor, self.file = installation, vendor, file
        installation.more["SWAPLINE_ACCOUNTS"] = str(file)
        self.producer: Producer = installation.producer()

    def write(self, names: Iterable[str] = SLOTS, **more: dict[str, Any]) -> None:
        """Write the file: all at once, as an editor does."""
        header = {"key_header": self.vendor.config.key_header, "base_url": self.vendor.url}
        accounts = [
            {"name": name, "key": f"{name}-key", "max_in_flight": SLOTS[name], **header, **more.get(name, {})}
            for name in names
        ]
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(accounts))
        new.replace(self.file)

    def enqueue(self, number: int, **values: Any) -> list[str]:
        request = REQUEST.model_copy(update=values)
        return [self.producer.enqueue(request).job_id for _ in range(number)]

    def ended(self, ids: list[str]) -> Counter[State]:
        waited_for(lambda: all(job.state.finished for job in self.producer.ledger.jobs.get_many(ids)), seconds=120)
        return Counter(job.state for job in self.producer.ledger.jobs.get_many(ids))

    def account_of(self, job_id: str) -> str:
        return self.producer.get(job_id).account

    def used_for(self, number: int) -> set[str]:
        """Run some more jobs; the accounts that ran them."""
        ids = self.enqueue(number)
        assert self.ended(ids) == {State.SUCCEEDED: number}
        return {self.account_of(job_id) for job_id in ids}

    def charged(self) -> dict[str, int]:
        """Credits by account, as the vendor has them."""
        return {name: self.vendor.control.of(name).report(jobs=False).credits_spent for name in SLOTS}

    def counted(self) -> dict[str, int]:
        """The same, as the ledger has them."""
        by_account = self.producer.ledger.limits.credits().by_account
        return {name: sum(by_account.get(name, {}).values()) for name in SLOTS}


@pytest.fixture
def pool(installation: Installation, vendor: Simulator, tmp_path: Path) -> Pool:
    made = Pool(installation, vendor, tmp_path / "accounts.json")
    made.write()
    return made


@contextmanager
def running(pool: Pool) -> Generator[Worker]:
    with pool.installation.worker() as worker:
        yield worker


def test_all_accounts_are_used_no_cap_is_passed_and_the_credits_are_the_vendors(pool: Pool) -> None:
    ids = pool.enqueue(60)
    with running(pool) as worker:
        assert pool.ended(ids) == {State.SUCCEEDED: 60}
    reports = {name: pool.vendor.control.of(name).report() for name in SLOTS}
    assert {name: one.over_cap for name, one in reports.items()} == dict.fromkeys(SLOTS, 0)
    assert all(one.accepted for one in reports.values())
    known = {job.id: name for name, one in reports.items() for job in one.jobs}
    for job in pool.producer.ledger.jobs.get_many(ids):
        assert known[job.vendor_job_id or ""] == job.account
    assert pool.counted() == pool.charged()
    assert not [name for name in SLOTS if f"{name}-key" in worker.log()]
    dump = "".join(str(value) for value in pool.installation.cli("accounts", "--json").stdout)
    assert not [name for name in SLOTS if f"{name}-key" in dump]


def test_while_one_account_is_revoked_and_one_is_out_of_credits_the_third_works_and_nothing_fails(pool: Pool) -> None:
    pool.vendor.control.of("a").set_mode("submit_401")
    pool.vendor.control.of("b").change(credits=0)
    ids = pool.enqueue(40)
    with running(pool):
        assert pool.ended(ids) == {State.SUCCEEDED: 40}
        assert {pool.account_of(job_id) for job_id in ids} == {"c"}
        views = {one.name: one for one in pool.producer.ledger.pool.views()}
        assert "check the account 'a' in SWAPLINE_ACCOUNTS" in (views["a"].reason or "")
        shown = pool.installation.cli("slots").stdout
        assert "a: " in shown
        assert "paused: the vendor refuses the key" in shown
        pool.vendor.control.of("a").clear_modes()
        pool.vendor.control.of("b").change(credits=1000)
        more = pool.enqueue(40)
        assert pool.ended(more) == {State.SUCCEEDED: 40}
        waited_for(lambda: pool.used_for(15) >= {"a", "b"}, seconds=60)
    assert pool.charged()["a"] > 0


def test_accounts_that_fail_in_turn_and_a_killed_worker_lose_no_job_and_no_credit(pool: Pool) -> None:
    """One is revoked, then one is out of credits, then one is slow while the worker dies."""
    a, b, c = (pool.vendor.control.of(name) for name in SLOTS)
    ids = pool.enqueue(90)
    with running(pool) as worker:
        a.set_mode("submit_403")
        waited_for(lambda: c.report(jobs=False).accepted > 10)
        a.clear_modes()
        b.change(credits=0)
        waited_for(lambda: c.report(jobs=False).accepted > 25)
        b.change(credits=1_000)
        c.change(service_time="fixed:30")
        waited_for(lambda: c.report(jobs=False).in_flight == SLOTS["c"])
        worker.kill()
    with running(pool):
        c.change(service_time="fixed:0.3")
        c.finish()
        settled = {*FINISHED, State.HELD}
        waited_for(lambda: all(job.state in settled for job in pool.producer.ledger.jobs.get_many(ids)), seconds=120)
        states = Counter(job.state for job in pool.producer.ledger.jobs.get_many(ids))
    assert set(states) <= {State.SUCCEEDED, State.HELD}  # HELD: its call was under way when the worker was killed
    paid = sum(one.report(jobs=False).accepted for one in (a, b, c))
    assert states[State.SUCCEEDED] <= paid <= len(ids)
    charged, counted = pool.charged(), pool.counted()
    held = Counter(job.account for job in pool.producer.ledger.jobs.get_many(ids) if job.state is State.HELD)
    for name in SLOTS:  # an unknown call counts as spent: the vendor may not have seen it
        assert charged[name] <= counted[name] <= charged[name] + 2 * held[name]
    assert [one.report(jobs=False).over_cap for one in (a, b, c)] == [0, 0, 0]


def test_pinned_jobs_run_on_their_accounts_only(pool: Pool) -> None:
    pool.write(b={"labels": ["brand-b"]})
    with running(pool):
        waited_for(lambda: "brand-b" in pool.producer.ledger.pool.known().get("b", ()))
        done = pool.installation.cli("tenants", "set", "acme", "--accounts", "brand-b")
        assert done.returncode == 0, done.stderr
        ids = {"a": pool.enqueue(5, account="a"), "b": pool.enqueue(5, tenant="acme"), "any": pool.enqueue(20)}
        for some in ids.values():
            assert pool.ended(some) == {State.SUCCEEDED: len(some)}
    assert {pool.account_of(job_id) for job_id in ids["a"]} == {"a"}
    assert {pool.account_of(job_id) for job_id in ids["b"]} == {"b"}
    assert {pool.account_of(job_id) for job_id in ids["any"]} >= {"c"}


def test_a_rotated_key_is_used_from_the_next_call_on_also_for_jobs_that_run(pool: Pool) -> None:
    pool.write(names=["a"])
    pool.vendor.control.of("a").change(service_time="fixed:600")
    with running(pool) as worker:
        ids = pool.enqueue(3)
        waited_for(lambda: all(pool.producer.get(job_id).state is State.RUNNING for job_id in ids))
        pool.vendor.control.of("a").change(key="new-key")
        pool.write(names=["a"], a={"key": "new-key"})
        waited_for(lambda: "the accounts were read again: a" in worker.log())
        pool.vendor.control.of("a").finish()
        assert pool.ended(ids) == {State.SUCCEEDED: 3}
        assert "pays for the account 'a' from now on" in worker.log()
        assert "new-key" not in worker.log()


def test_a_broken_file_leaves_the_accounts_as_they_were_and_is_reported_once(pool: Pool) -> None:
    whole = pool.file.read_text()
    with running(pool) as worker:
        pool.file.write_text(whole[: len(whole) // 2])
        waited_for(lambda: "the accounts stay as they were" in worker.log())
        ids = pool.enqueue(20)
        assert pool.ended(ids) == {State.SUCCEEDED: 20}
        assert worker.log().count("the accounts stay as they were") == 1
        assert "is it half written" in worker.log()
        pool.write(c={"max_in_flight": 2})
        waited_for(lambda: {one.name: one.limit for one in pool.producer.ledger.pool.views()}["c"] == 2)


def test_an_account_with_jobs_stays_until_they_have_ended(pool: Pool) -> None:
    pool.vendor.control.of("a").change(service_time="fixed:600")
    with running(pool) as worker:
        ids = pool.enqueue(3, account="a")
        waited_for(lambda: all(pool.producer.get(job_id).state is State.RUNNING for job_id in ids))
        pool.write(names=["b", "c"])
        waited_for(lambda: "The account 'a' still has 3 jobs" in worker.log())
        assert list(pool.producer.ledger.pool.known()) == ["a", "b", "c"]
        drained = pool.installation.cli("accounts", "drain", "a")
        assert "3 have not ended" in drained.stdout
        pool.vendor.control.of("a").finish()
        assert pool.ended(ids) == {State.SUCCEEDED: 3}
        waited_for(lambda: list(pool.producer.ledger.pool.known()) == ["b", "c"])
        assert worker.log().count("still has") == 1


def test_a_replay_from_poll_asks_the_account_that_was_charged(pool: Pool) -> None:
    with running(pool):
        waited_for(lambda: "b" in pool.producer.ledger.pool.known())
        ids = pool.enqueue(1, account="b")
        assert pool.ended(ids) == {State.SUCCEEDED: 1}
        [job_id] = ids
        before = pool.vendor.control.of("b").report(jobs=False).polls
        others = [pool.vendor.control.of(name).report(jobs=False).polls for name in ("a", "c")]
        shutil.rmtree(pool.installation.store / "results")
        pool.producer.recovery.replay(job_id, Step.POLL)
        assert pool.ended(ids) == {State.SUCCEEDED: 1}
        assert pool.vendor.control.of("b").report(jobs=False).polls > before
        assert [pool.vendor.control.of(name).report(jobs=False).polls for name in ("a", "c")] == others


def test_slots_of_one_account_are_set_by_a_person(pool: Pool) -> None:
    with running(pool):
        waited_for(lambda: list(pool.producer.ledger.pool.known()) == ["a", "b", "c"])
        assert pool.installation.cli("slots", "set", "1", "--account", "c").returncode == 0
        assert {one.name: one.limit for one in pool.producer.ledger.pool.views()} == {"a": 3, "b": 4, "c": 1}
        unknown = pool.installation.cli("slots", "set", "1", "--account", "x")
        assert (unknown.returncode, "no account 'x'; there are a, b, c" in unknown.stderr) == (1, True)
        assert pool.installation.cli("slots", "reset", "--account", "c").returncode == 0


def test_doctor_asks_each_account(pool: Pool) -> None:
    pool.vendor.control.of("b").change(key="another")
    found = json.loads(pool.installation.cli("doctor", "--json").stdout)["checks"]
    texts = [check["found"] for check in found if check["name"] == "vendor"]
    assert [text.partition(":")[0] for text in texts] == ["account a", "account b", "account c"]
    assert [("refused" in text and "is accepted" not in text) for text in texts] == [False, True, False]


@pytest.mark.parametrize(
    ("accounts", "sentence"),
    [
        ([{"name": "a"}, {"name": "a", "key": "other"}], "two accounts have the name 'a'"),
        ([{"name": "a", "weight": 0}], "account 1 of the list: weight: Input should be greater than 0"),
        ([{"name": "a", "max_in_flight": -1}], "account 1 of the list: max_in_flight: Input should be greater than"),
        ([{"name": "a"}, {"name": "b"}], "'a' and 'b' have one address and key"),
        ([], "it names no account"),
        ([{"name": "a", "keys": "x"}], "account 1 of the list: keys: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_no_worker_starts(
    pool: Pool, accounts: list[dict[str, Any]], sentence: str
) -> None:
    base = {"base_url": pool.vendor.url, "key": "secret-key", "key_header": "X-API-Key"}
    pool.installation.more["SWAPLINE_ACCOUNTS"] = json.dumps([{**base, **one} for one in accounts])
    done = pool.installation.cli("worker")
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-key" not in done.stderr
