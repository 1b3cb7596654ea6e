"""One odd name in the store, or one that cannot be deleted, holds up no other."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import pytest

from support.jobs.publishers import NullPublisher
from support.ledgers.retention import Place
from support.redis.fixtures import waited_for
from swapline_producer.errors import StorageUnavailable
from swapline_producer.operations.doctor import storage as of_storage
from swapline_producer.retention.purge import Purge, PurgeSelector
from swapline_producer.retention.sweep import Sweep
from swapline_producer.storage import open_storage
from swapline_producer.storage.keys import result_folder
from swapline_workers.runtime import maintenance
from swapline_workers.runtime.maintenance import Housekeeping
from swapline_workers.runtime.store.probe import StoreProbe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.redis.fixtures import Time
    from support.stores.s3 import S3Server
    from swapline_producer.ledger import Ledger
    from swapline_producer.storage import Storage

MARKERS = ("inputs/", "results/", "staging/", "results/acme/", "results/acme/2026/")
ODD = ("inputs//b", "inputs/tab\there", "inputs/../x", "results//x", "results/acme//y", "results/acme/2026/a//b")
ORPHANS = {"inputs/" + "0" * 64, "inputs/" + "f" * 64, f"results/acme/2026/01/02/{'e' * 32}/0.png"}


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    s3_server.enter(monkeypatch)
    bucket = s3_server.new_bucket()
    s3_server.put(bucket, *MARKERS, *ODD)
    return bucket


@pytest.fixture
def place(ledger: Ledger, bucket: str) -> Place:
    return Place(ledger, open_storage(f"s3://{bucket}", timeout=20))


def real(place: Place) -> set[str]:
    return {key for key in place.objects() if key.count("/") in {1, 6}}


def test_the_janitor_deletes_orphans_that_lie_beside_odd_names_and_nothing_else(place: Place) -> None:
    place.succeeded()
    place.queued()
    place.sweep.all_due()
    kept = real(place)
    for key in ORPHANS:
        place.storage.put(key, b"orphan", "image/png")
    place.clean()
    assert real(place) == kept
    findings = place.janitor().everything(limit=10_000, dry=True)
    assert (findings.names, {*findings.odd} >= {*ODD}) == ([], True)


def test_workers_find_them_a_part_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapline_producer.retention.orphans.PART", 1)
    for key in ORPHANS:
        place.storage.put(key, b"orphan", "image/png")
    janitor = place.janitor()
    for _ in range(10):
        janitor.next_part()
    place.sweep.all_due()
    assert real(place) == set()


def test_purge_deletes_what_a_tenant_has_beside_odd_names(place: Place) -> None:
    place.succeeded(tenant="acme")
    place.sweep.all_due()
    forgotten = f"results/acme/2026/01/02/{'e' * 32}/0.png"
    place.storage.put(forgotten, b"result", "image/png")
    report = Purge(place.ledger, NullPublisher(), place.storage).run(PurgeSelector(tenant="acme"))
    assert (report.jobs, report.forgotten) == (1, 1)
    assert not [key for key in real(place) if key.startswith("results/")]


def test_a_name_on_the_list_that_can_be_none_leaves_it_and_holds_up_no_other(place: Place) -> None:
    place.storage.put("inputs/" + "0" * 64, b"orphan", "image/png")
    place.ledger.retention.add_unneeded(["inputs/", "inputs//b", "results/", "staging/x/", "inputs/" + "0" * 64])
    place.sweep.all_due()
    assert real(place) == set()
    assert place.ledger.client.zcard(f"{place.ledger.prefix}:unneeded") == 0


class Stubborn:
    """A store in which some keys cannot be deleted, such as those under a legal hold."""

    def __init__(self, storage: Storage, *kept: str) -> None:
        self._storage = storage
        self.kept = kept

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        if any(key.startswith(self.kept) for key in wanted):
            raise StorageUnavailable("It is under a legal hold.")
        self._storage.delete(wanted)


def test_what_cannot_be_deleted_holds_up_no_other_and_is_tried_again(
    ledger: Ledger, storage: Storage, time: Time
) -> None:
    place = Place(ledger, storage)
    names = [f"inputs/{number:064}" for number in range(10)]
    for name in names:
        storage.put(name, b"orphan", "image/png")
    ledger.retention.add_unneeded(names)
    stubborn = Stubborn(storage, *names[:2])
    sweep = Sweep(ledger, stubborn)  # type: ignore[arg-type]  # a store all the same
    assert sweep.all_due() == 8
    assert place.objects() == {*names[:2]}
    stubborn.kept = ()
    assert sweep.all_due() == 0  # they are leased
    time.pass_(100)
    assert sweep.all_due() == 2
    assert place.objects() == set()


def test_a_store_in_which_nothing_can_be_deleted_is_left_after_a_few_tries(ledger: Ledger, storage: Storage) -> None:
    ledger.retention.add_unneeded([f"inputs/{number:064}" for number in range(500)])
    stubborn = Stubborn(storage, "inputs/")
    with pytest.raises(StorageUnavailable, match="legal hold"):
        Sweep(ledger, stubborn).due()  # type: ignore[arg-type]  # a store all the same


def test_a_slow_store_is_left_before_the_lease_is_over(ledger: Ledger, storage: Storage) -> None:
    names = [f"inputs/{number:064}" for number in range(10)]
    ledger.retention.add_unneeded(names)
    passed = iter(range(0, 1000, 6))  # each reading is six seconds later
    sweep = Sweep(ledger, Stubborn(storage, names[9]), clock=lambda: float(next(passed)))  # type: ignore[arg-type]
    assert sweep.due().names == names[:2]  # begun within 0.4 times a minute


def test_a_purge_says_what_it_could_not_delete_and_deletes_the_rest(ledger: Ledger, storage: Storage) -> None:
    place = Place(ledger, storage)
    first, second = place.succeeded(tenant="acme"), place.succeeded(tenant="acme")
    stubborn = Stubborn(storage, result_folder(first))
    with pytest.raises(StorageUnavailable, match="legal hold"):
        Purge(ledger, NullPublisher(), stubborn).run(PurgeSelector(tenant="acme"))  # type: ignore[arg-type]
    assert {key for key in place.objects() if key.startswith(result_folder(second))} == set()
    assert {key for key in place.objects() if key.startswith(result_folder(first))}


def test_a_worker_speaks_of_them_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(maintenance, "ROUND_INTERVAL_S", 0.01)
    patrols: list[str] = []

    def due(chore: str, _seconds: float) -> bool:
        patrols.append(chore)
        return True

    probe = create_autospec(StoreProbe, instance=True)
    purge = Purge(place.ledger, NullPublisher(), place.storage)
    housekeeping = Housekeeping(place.sweep, purge, place.janitor(), due, probe, place.janitor().check_owner)
    housekeeping.start()
    waited_for(lambda: patrols.count("patrol") > 3)
    housekeeping.stop(20)
    [warning] = [record.getMessage() for record in caplog.records if "not ours" in record.getMessage()]
    assert "'inputs//b'" in warning
    assert warning.endswith("more")


def test_the_doctor_names_them(bucket: str) -> None:
    fine, odd = of_storage.examine(f"s3://{bucket}", lambda url: open_storage(url, timeout=20))
    assert (fine.verdict, odd.verdict) == ("ok", "warn")
    assert "'inputs//b'" in odd.found
