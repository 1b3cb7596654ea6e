"""A ledger belongs to one vendor: no pictures and no money go to another one."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from support.http.raw_server import Caller, RawServer, reply
from support.programs.installation import CELERY, SWAPLINE
from support.programs.processes import run, start
from support.redis.fixtures import new_job, waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import State
from swapline_producer.contract.changes import Change
from swapline_producer.errors import LedgerUnavailable, NotPossible, WrongOwner
from swapline_producer.ledger.accounts.registry import BEFORE_MS, SILENCE_MS, Vendor
from swapline_producer.ledger.accounts.workers import LIFE_MS, WorkerRecord
from swapline_producer.operations.vendors import address_of, fingerprint, is_simulator, vendor_of
from swapline_producer.settings import VendorSettings
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.local.ports import free_port
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger
    from swapline_simulator import Simulator

KEY = "a-key-that-nobody-may-see"
REAL, MOVED = Vendor("https://vendor.example", simulated=False), Vendor("https://new.example/api", simulated=False)
TEST, OTHER_TEST = Vendor("http://127.0.0.1:8900", simulated=True), Vendor("http://127.0.0.1:8901", simulated=True)
JOB = SwapRequest(image="https://pictures.example/me.jpg", gender=1, filter_id=12)


def settings(url: str, key: str = KEY) -> VendorSettings:
    return VendorSettings(api_base_url=url, api_key=SecretStr(key))


def record(worker_id: str) -> WorkerRecord:
    return WorkerRecord(worker_id=worker_id, host="host", pid=1, started_at=0)


# -- what the ledger answers ------------------------------------------------------------------------------------


def test_the_first_vendor_is_the_ledgers_own_and_a_check_binds_nothing(ledger: Ledger, time: Time) -> None:
    ledger.workers.join(MOVED, check_only=True)
    assert ledger.accounts.get() is None
    ledger.workers.join(REAL)
    ledger.workers.join(REAL)
    account = ledger.accounts.get()
    assert account is not None
    assert (account.vendor, account.since) == (REAL, time.at)
    with pytest.raises(WrongOwner, match=r"belongs to the vendor at https://vendor\.example.*accounts adopt"):
        ledger.workers.join(MOVED)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (TEST, REAL, "test jobs would be sent there, and paid"),
        (REAL, TEST, "customers would get the simulator's pictures"),
        (TEST, REAL._replace(address=TEST.address), "test jobs would be sent there, and paid"),
        (REAL, REAL._replace(simulated=True), "customers would get the simulator's pictures"),
    ],
)
def test_a_simulator_and_a_vendor_do_not_share_a_ledger(
    ledger: Ledger, first: Vendor, second: Vendor, words: str
) -> None:
    ledger.workers.join(first)
    with pytest.raises(WrongOwner, match=words):
        ledger.workers.join(second)
    ledger.workers.join(first)


def test_a_ledger_follows_the_simulator_to_any_address(ledger: Ledger) -> None:
    ledger.workers.join(TEST)
    ledger.workers.join(OTHER_TEST)
    account = ledger.accounts.get()
    assert account is not None
    assert account.vendor == OTHER_TEST


def test_a_vendor_that_moved_is_adopted_and_called_at_both_addresses_for_a_day(ledger: Ledger, time: Time) -> None:
    ledger.workers.join(REAL)
    ledger.intake.accept(new_job("j"))
    assert ledger.accounts.adopt(MOVED)
    assert not ledger.accounts.adopt(MOVED)
    ledger.workers.join(MOVED)
    ledger.workers.join(REAL)
    time.pass_(BEFORE_MS / 1000)
    ledger.workers.join(MOVED)
    with pytest.raises(WrongOwner):
        ledger.workers.join(REAL)


def test_a_vendor_takes_a_simulators_place_only_when_no_job_is_open_and_no_worker_runs(
    ledger: Ledger, time: Time
) -> None:
    ledger.workers.join(TEST)
    ledger.intake.accept(new_job("j"))
    with pytest.raises(NotPossible, match="while 1 jobs have not ended"):
        ledger.accounts.adopt(REAL)
    ledger.transitions.advance(ledger.jobs.get("j"), Change(to=State.CANCELED))
    ledger.transitions.claim(ROUTES, dispatcher="a")
    with pytest.raises(NotPossible, match="while a worker runs"):
        ledger.accounts.adopt(REAL)
    time.pass_(SILENCE_MS / 1000)
    assert ledger.accounts.adopt(REAL)
    with pytest.raises(WrongOwner):
        ledger.workers.join(TEST)


# -- which key --------------------------------------------------------------------------------------------------


def keyed(key: str, salt: str = "5a" * 16) -> Vendor:
    return REAL._replace(key=fingerprint(key, salt))


def sent_something(ledger: Ledger) -> None:
    ledger.client.hset(f"{ledger.prefix}:count", "submitted", 1)


def test_a_second_key_is_refused_and_a_new_one_is_adopted(ledger: Ledger, time: Time) -> None:
    ledger.workers.join(keyed("one"))
    sent_something(ledger)
    with pytest.raises(
        WrongOwner, match=r"paid by another key \(\w{8}\) than SWAPLINE_API_KEY \(\w{8}\).*accounts adopt"
    ):
        ledger.workers.join(keyed("two"))
    assert ledger.accounts.adopt(keyed("two"))
    assert not ledger.accounts.adopt(keyed("two"))
    ledger.workers.join(keyed("two"))
    ledger.workers.join(keyed("one"))  # workers are restarted one by one
    with pytest.raises(WrongOwner):
        ledger.workers.join(keyed("three"))
    ledger.workers.join(keyed("one"), record("works-since"))
    time.pass_(BEFORE_MS / 1000)
    ledger.workers.join(keyed("two"))
    with pytest.raises(WrongOwner):
        ledger.workers.join(keyed("one"), record("new"))


def test_a_worker_that_works_with_the_key_from_before_goes_on_when_its_day_is_over(ledger: Ledger, time: Time) -> None:
    ledger.workers.join(keyed("one"), record("a"))
    sent_something(ledger)
    ledger.accounts.adopt(keyed("two"))
    for _ in range(BEFORE_MS // (LIFE_MS - 1000) + 2):
        time.pass_(LIFE_MS / 1000 - 1)
        ledger.workers.join(keyed("one"), record("a"))
    with pytest.raises(WrongOwner):
        ledger.workers.join(keyed("one"), record("b"))


def test_until_something_was_sent_a_mistyped_key_is_corrected_by_a_restart(ledger: Ledger) -> None:
    ledger.workers.join(keyed("mistyped"), record("a"))
    with pytest.raises(WrongOwner):  # the one with the mistyped key lives
        ledger.workers.join(keyed("right"), record("b"))
    ledger.workers.leave("a")
    ledger.workers.join(keyed("right"), record("b"))
    account = ledger.accounts.get()
    assert account is not None
    assert account.vendor == keyed("right")
    ledger.workers.leave("b")
    with pytest.raises(WrongOwner):  # jobs that wait are not sent to another vendor
        ledger.workers.join(keyed("right")._replace(address=MOVED.address), record("c"))


def test_two_first_workers_with_salts_of_their_own_agree_on_one(ledger: Ledger) -> None:
    ledger.workers.join(keyed("one"))
    sent_something(ledger)
    with pytest.raises(LedgerUnavailable, match="ask again"):
        ledger.workers.join(keyed("one", salt="b7" * 16))
    ledger.workers.join(vendor_of(settings(REAL.address, "one"), ledger))


def test_a_simulator_takes_any_key(ledger: Ledger) -> None:
    ledger.workers.join(TEST._replace(key=fingerprint("one", "5a" * 16)), record("a"))
    ledger.workers.join(TEST._replace(key=fingerprint("two", "5a" * 16)), record("b"))
    assert {one.worker_id for one in ledger.workers.alive()} == {"a", "b"}


def test_a_fingerprint_gives_no_key_away_and_is_another_in_each_ledger() -> None:
    found = {fingerprint(KEY, salt) for salt in ("5a" * 16, "b7" * 16)}
    assert len({one[-8:] for one in found}) == 2
    assert [one for one in found if KEY in one or not re.fullmatch("[0-9a-f]{32}:[0-9a-f]{32}", one)] == []
    assert fingerprint("k\udcff", "5a" * 16) != fingerprint("k", "5a" * 16)


# -- who is asked -----------------------------------------------------------------------------------------------


class OtherVendor:
    """A vendor that is no simulator; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, caller: Caller) -> None:
        while request := caller.read_request():
            self.asked.append(request)
            caller.send(reply(b'{"error": "no such page"}', "404 Not Found"))

    @property
    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.asked]


@contextmanager
def another_vendor() -> Generator[tuple[OtherVendor, str]]:
    seen = OtherVendor()
    with RawServer(seen) as server:
        yield seen, server.url


def test_a_vendor_is_asked_once_whether_it_is_a_simulator_and_without_the_key(ledger: Ledger) -> None:
    with another_vendor() as (seen, url):
        for _ in range(3):
            ledger.workers.join(vendor_of(settings(url), ledger))
    assert seen.paths == ["/_control?jobs=0"]
    assert KEY.encode() not in b"".join(seen.asked)
    account = ledger.accounts.get()
    assert account is not None
    assert KEY not in repr(account)


def test_a_simulator_is_known_by_its_mark_and_nothing_else_is_taken_for_one(vendor: Simulator) -> None:
    assert is_simulator(vendor.url)
    assert not is_simulator(f"http://127.0.0.1:{free_port()}")
    for body in (b"{}", b"[]", b'"swapline"', b"<html>", b'{"simulator": "other"}', b""):
        with RawServer(lambda caller, body=body: (caller.read_request(), caller.send(reply(body)))) as server:  # type: ignore[misc]
            assert not is_simulator(server.url)
    with RawServer(lambda caller: caller.hold()) as server:
        assert not is_simulator(server.url, timeout=0.2)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HTTPS://Vendor.Example:443/api/", "https://vendor.example/api"),
        ("http://vendor.example:80", "http://vendor.example"),
        ("http://[::1]:8900/", "http://[::1]:8900"),
    ],
)
def test_an_address_is_spelt_in_one_way(written: str, meant: str) -> None:
    assert address_of(written) == meant


# -- what workers do --------------------------------------------------------------------------------------------


CELERY_WORKER = (str(CELERY), "-A", "swapline_workers.entry", "worker", "-c", "1")
COMMANDS = [(str(SWAPLINE), "worker"), (*CELERY_WORKER, "-P", "prefork"), (*CELERY_WORKER, "-P", "solo")]


def refused(installation: Installation, command: tuple[str, ...] = COMMANDS[0], **more: str) -> str:
    """Start a worker that must end by itself; gives what it printed."""
    done = run(
        command,
        env=installation.environment | more,
        cwd=installation.store.parent,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def test_test_jobs_are_not_sent_to_a_real_vendor(installation: Installation) -> None:
    with installation.worker():
        installation.run(**JOB.model_dump(exclude_unset=True))
    waiting = installation.producer().enqueue(JOB).job_id
    with another_vendor() as (seen, url):
        refusal = refused(installation, SWAPLINE_API_BASE_URL=url)
    assert "This ledger belongs to the simulated vendor at" in refusal
    assert [path for path in seen.paths if "/run/" in path or "/status/" in path] == []
    assert installation.producer().get(waiting).attempts == 0
    with installation.worker():
        assert installation.producer().wait(waiting, timeout=60).state is State.SUCCEEDED


@pytest.mark.parametrize("command", COMMANDS, ids=["swapline", "prefork", "solo"])
def test_customers_jobs_are_not_sent_to_the_simulator(installation: Installation, command: tuple[str, ...]) -> None:
    producer = installation.producer()
    producer.ledger.workers.join(REAL)
    waiting = producer.enqueue(JOB).job_id
    refusal = refused(installation, command)
    assert "customers would get the simulator's pictures" in refusal
    assert installation.vendor.control.report(jobs=False).submissions == 0
    assert producer.get(waiting).state is State.QUEUED


def test_a_worker_that_was_started_without_redis_begins_no_job_of_another_vendor(
    installation: Installation, tmp_path: Path
) -> None:
    with EmbeddedValkey(tmp_path / "own", appendfsync="no") as server:
        installation.valkey = server
        producer = installation.producer()
        producer.ledger.workers.join(REAL)
        waiting = producer.enqueue(JOB).job_id
    lines: list[str] = []
    with start(
        [SWAPLINE, "worker", "-c", "2"],
        env=installation.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as child:
        assert child.stdout is not None
        reader = threading.Thread(target=lambda: lines.extend(child.stdout or ()))
        reader.start()
        waited_for(lambda: "ledger unavailable" in "".join(lines))
        with EmbeddedValkey(tmp_path / "own", appendfsync="no"):
            assert child.wait(60) == 1, "".join(lines)
            assert producer.get(waiting).state is State.QUEUED
        reader.join(10)
    assert "this worker stops: This ledger belongs to the vendor at https://vendor.example" in "".join(lines)
    assert installation.vendor.control.report(jobs=False).submissions == 0


def test_a_worker_whose_ledger_goes_to_another_vendor_stops(installation: Installation) -> None:
    ledger = installation.producer().ledger
    with installation.worker() as worker:
        ledger.client.delete(f"{installation.prefix}:account:default")
        ledger.workers.join(REAL)
        assert worker.child.wait(60) == 1
        assert "this worker stops: This ledger belongs to the vendor at https://vendor.example" in worker.log()


def test_a_person_sees_and_changes_whom_a_ledger_belongs_to(installation: Installation) -> None:
    assert "belongs to no vendor" in installation.cli("accounts").stdout
    installation.producer().ledger.workers.join(REAL)
    [shown] = json.loads(installation.cli("accounts", "--json").stdout)
    assert (shown["name"], shown["address"], shown["simulated"]) == ("default", REAL.address, False)
    adopted = installation.cli("accounts", "adopt", SWAPLINE_API_BASE_URL="https://127.0.0.1:1/api/")
    assert re.fullmatch(
        r"the ledger belongs to the vendor at https://127\.0\.0\.1:1/api, and the key \w{8} pays for its jobs,"
        r" from now on\n",
        adopted.stdout,
    )
    missing = installation.cli("accounts", "adopt", SWAPLINE_API_BASE_URL="")
    assert (missing.returncode, "SWAPLINE_API_BASE_URL is missing" in missing.stderr) == (2, True)
    installation.producer().enqueue(JOB)
    kept = installation.cli("accounts", "adopt")
    assert (kept.returncode, "while 1 jobs have not ended" in kept.stderr) == (1, True)


def test_a_worker_with_a_second_key_is_refused_until_the_key_is_adopted(installation: Installation) -> None:
    ledger = installation.producer().ledger

    def key(number: int) -> dict[str, str]:
        return {"SWAPLINE_API_KEY": f"key-{number}-that-nobody-may-see"}

    with another_vendor() as (_, url):
        installation.more |= {"SWAPLINE_API_BASE_URL": url, **key(1)}
        with installation.worker():
            sent_something(ledger)
            refusal = refused(installation, COMMANDS[0], **key(2))
            assert "paid by another key" in refusal
            assert "that-nobody-may-see" not in refusal
            assert installation.cli("accounts", "adopt", **key(2)).returncode == 0
            installation.more |= key(2)
            with installation.worker():
                found = installation.cli("doctor", "--json").stdout
                assert "1 of 2 still have the address or the key from before" in found
            assert "that-nobody-may-see" not in installation.cli("accounts", "--json").stdout
        everything = [ledger.client.dump(name) for name in ledger.client.scan_iter(f"{ledger.prefix}:account*")]
        assert len(everything) == 1
        shown = str(ledger.client.hgetall(f"{ledger.prefix}:account:default"))
        assert "that-nobody-may-see" not in shown


def test_a_worker_adopts_where_it_is_asked_to(installation: Installation) -> None:
    installation.producer().ledger.workers.join(REAL)
    with installation.worker("--adopt"):
        assert installation.run(**JOB.model_dump(exclude_unset=True)).state is State.SUCCEEDED
