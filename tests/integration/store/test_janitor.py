"""The janitor finds what no job needs, in every kind of store, and touches nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time as wall
from typing import TYPE_CHECKING

import pytest

from support.jobs.publishers import NullPublisher
from support.ledgers.retention import Place
from swapline_producer.errors import JobNotFound, WrongOwner
from swapline_producer.ledger import Ledger
from swapline_producer.retention.orphans import PART
from swapline_producer.retention.purge import Purge, PurgeSelector
from swapline_producer.storage import open_storage
from swapline_producer.storage.keys import receipt_key, result_folder

if TYPE_CHECKING:
    from pathlib import Path

    from support.redis.fixtures import Time
    from swapline_producer.storage import Storage

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def place(ledger: Ledger, storage: Storage) -> Place:
    return Place(ledger, storage)


def test_of_living_jobs_nothing_is_touched_however_old_it_is(place: Place) -> None:
    place.queued()
    place.storing()
    place.succeeded()
    place.sweep.all_due()
    before = place.objects()
    assert len(before) == 5  # two inputs, one result on its way, one result and its receipt
    place.clean(later=1000 * DAY)
    assert place.objects() == before


def test_objects_that_no_record_needs_are_found_and_deleted_once_they_are_old(place: Place) -> None:
    place.succeeded()
    place.sweep.all_due()
    kept = place.objects()
    for key in (
        "inputs/" + "0" * 64,
        f"results/acme/2026/01/02/{'e' * 32}/0.png",
    ):
        place.storage.put(key, b"orphan", "image/png")
    place.clean(later=60)
    assert len(place.objects()) == len(kept) + 2
    place.clean()
    assert place.objects() == kept


def test_a_failed_jobs_half_stored_result_goes_with_it(place: Place) -> None:
    place.failed(place.storing())
    place.sweep.all_due()
    assert {key.split("/")[0] for key in place.objects()} == {"inputs"}  # kept for a replay


def test_results_outlive_their_records_unless_they_have_no_receipt(place: Place) -> None:
    job = place.succeeded()
    place.sweep.all_due()
    for name in place.ledger.client.scan_iter(f"{place.ledger.prefix}:*"):
        place.ledger.client.delete(name)
    place.janitor().check_owner(adopt=True)
    place.clean()
    assert place.objects() == {f"{result_folder(job)}/0.png", receipt_key(job)}
    place.storage.delete([receipt_key(job)])
    place.clean()
    assert place.objects() == set()


def test_results_go_after_result_ttl_by_the_ledger_and_where_it_has_forgotten_them_by_their_age(
    place: Place,
    time: Time,
) -> None:
    ledger = Ledger(place.ledger.client, place.ledger.prefix, clock=time, result_ttl=100.0)
    short = Place(ledger, place.storage)
    short.number = 10  # other pictures
    place.succeeded()  # by a worker that knew of no RESULT_TTL
    short.succeeded()
    assert len(place.objects()) == 6
    time.pass_(99)
    short.sweep.all_due()
    assert sum(key.startswith("results/") for key in place.objects()) == 4
    time.pass_(2)
    short.sweep.all_due()
    assert sum(key.startswith("results/") for key in place.objects()) == 2
    short.clean(later=2 * HOUR, result_ttl=100.0)
    assert place.objects() == set()


def test_workers_look_at_a_part_at_a_time_and_go_on_where_the_last_one_stopped(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PART == 1000
    monkeypatch.setattr("swapline_producer.retention.orphans.PART", 4)
    for number in range(10):
        place.storage.put(f"inputs/{number:064}", b"orphan", "image/png")
        place.storage.put(f"results/acme/2026/01/02/{number % 3:032}/{number}.png", b"orphan", "image/png")
    assert [place.janitor().next_part().examined for _ in range(3)] == [8, 8, 4]
    place.sweep.all_due()
    assert place.objects() == set()


def test_a_search_by_hand_stops_at_its_limit_and_a_dry_one_changes_nothing(place: Place) -> None:
    for number in range(5):
        place.storage.put(f"inputs/{number:064}", b"orphan", "image/png")
    findings = place.janitor().everything(limit=3, dry=True)
    assert (findings.examined, findings.orphans["inputs"], findings.cut_short) == (3, 3, True)
    assert place.sweep.all_due() == 0
    assert len(place.objects()) == 5


def test_a_list_goes_on_behind_any_key(place: Place) -> None:
    keys = [f"results/{name}" for name in ("a/1", "a/2", "a-b/1", "a.b", "b", "c/2/3")]
    for key in keys:
        place.storage.put(key, b"x", "text/plain")
    everything = [found.key for found in place.storage.list("results")]
    assert sorted(everything) == sorted(keys)
    for number, key in enumerate(everything):
        assert [found.key for found in place.storage.list("results", after=key)] == everything[number + 1 :]


def test_a_store_of_another_installation_or_a_ledger_that_was_emptied_is_left_alone(place: Place) -> None:
    place.storage.put("inputs/" + "0" * 64, b"somebody's", "image/png")
    place.janitor().check_owner()
    other = Place(Ledger(place.ledger.client, place.ledger.prefix + "-other"), place.storage)
    with pytest.raises(WrongOwner, match="belongs to another installation"):
        other.clean()
    other.janitor().check_owner(adopt=True)
    other.clean()
    assert other.objects() == set()


def test_a_purge_takes_the_objects_of_a_job_and_leaves_what_others_need(place: Place) -> None:
    mine, others = place.succeeded(tenant="acme"), place.succeeded()
    place.number -= 1
    sibling = place.queued()  # the same picture as `others`
    report = Purge(place.ledger, NullPublisher(), place.storage).run(
        PurgeSelector(job_ids=(mine.job_id, others.job_id))
    )
    assert (report.jobs, report.objects, report.unknown) == (2, 4, [])
    assert place.objects() == {sibling.spec.image.key}  # type: ignore[union-attr]
    with pytest.raises(JobNotFound, match="was purged on"):
        place.producer.get(mine.job_id)


def test_a_purge_finds_results_whose_record_has_gone(place: Place) -> None:
    jobs = [place.succeeded(tenant="acme") for _ in range(3)]
    other = place.succeeded(tenant="other")
    for job in jobs:
        place.ledger.client.delete(f"{place.ledger.prefix}:job:{job.job_id}")
    purge = Purge(place.ledger, NullPublisher(), place.storage)
    assert purge.run(PurgeSelector(job_ids=(jobs[0].job_id, "9" * 32))).unknown == ["9" * 32]
    assert purge.run(PurgeSelector(tenant="acme")).forgotten == 2
    assert {key for key in place.objects() if key.startswith("results")} == {
        f"{result_folder(other)}/0.png",
        receipt_key(other),
    }
    with pytest.raises(JobNotFound, match="was purged on"):
        place.producer.get(jobs[0].job_id)


def test_a_file_that_a_killed_writer_left_goes_when_it_is_old(tmp_path: Path) -> None:
    store = open_storage(tmp_path.as_uri())
    killed = (
        "import os, swapline_producer.storage.local.store as local\n"
        "local.os.link = lambda *_, **__: os._exit(9)\n"
        f"local.LocalStorage(__import__('pathlib').Path({str(tmp_path)!r})).put_once('inputs/a', b'face', '')\n"
    )
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    [left] = tmp_path.rglob(".swapline-*")
    assert store.abandoned(HOUR) == 0
    old = wall.time() - 2 * HOUR
    os.utime(left, (old, old))
    assert store.abandoned(HOUR) == 1
    assert list(tmp_path.rglob(".swapline-*")) == []
