"""While results cannot be stored nothing new is submitted; a probe finds out when they can be again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.jobs.factories import PHOTOGRAPH
from support.redis.fixtures import new_job, waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import Job, State, StoredPicture
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.errors import StorageUnavailable
from swapline_producer.operations.doctor import ledger as of_ledger
from swapline_producer.storage.keys import PROBE
from swapline_producer.testing import memory_storage
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.runtime.store.probe import StoreProbe

if TYPE_CHECKING:
    from support.programs.installation import Installation
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger

IMAGES = (StoredPicture(key="results/0.png", sha256="0", bytes=1, width=1, height=1),)
REFUSED = "the store is full"


def moved(ledger: Ledger, job: Job, change: Change) -> Job:
    advanced = ledger.transitions.advance(job, change)
    assert isinstance(advanced, Advanced)
    return advanced.job


@pytest.fixture
def storing(ledger: Ledger) -> Job:
    """A job whose result is to be stored; three more wait for the two slots, which are free but for one."""
    ledger.limits.configure(Limits(max_in_flight=1, rescue_after=15))
    for job_id in ("a", "b", "c", "d"):
        ledger.intake.accept(new_job(job_id))
        ledger.transitions.line_up(ledger.jobs.get(job_id))
    job = moved(ledger, ledger.jobs.get("a"), Change(to=State.RUNNING, fields={"vendor_job_id": "v"}, due_in=60))
    ledger.limits.configure(Limits(max_in_flight=0, rescue_after=15))
    job = moved(ledger, job, Change(to=State.STORING, due_in=60))
    ledger.limits.configure(Limits(max_in_flight=2, rescue_after=15))
    return moved(ledger, job, Change(to=State.STORING, due_in=60, store_failed=REFUSED))


def granted(ledger: Ledger) -> set[str]:
    ledger.transitions.claim(ROUTES)
    return set(ledger.limits.slots().in_flight)


def test_nothing_is_submitted_after_a_result_could_not_be_stored(ledger: Ledger, time: Time, storing: Job) -> None:
    assert granted(ledger) == set()
    time.pass_(60)
    assert granted(ledger) == set()
    view, figures = ledger.limits.slots(), ledger.stats.snapshot()
    assert (view.store_failing_since, view.store_reason) == (time.at - 60_000, REFUSED)
    assert (figures.store_failing, figures.idle_seconds["store"]) == (True, 120)
    [line] = [found for found in of_ledger.jobs(ledger) if found.name == "line"]
    assert (line.verdict, REFUSED in line.found) == ("fail", True)
    assert storing.state is State.STORING


def test_a_stored_result_lets_all_go_in_the_same_move(ledger: Ledger, storing: Job) -> None:
    done = ledger.transitions.advance(storing, Change(to=State.SUCCEEDED, fields={"images": IMAGES}))
    assert isinstance(done, Advanced)
    assert {message.job_id for message in done.granted} == {"b", "c"}
    assert ledger.limits.slots().store_failing_since is None


def test_a_canceled_job_whose_result_is_kept_lets_them_go_as_well(ledger: Ledger, storing: Job) -> None:
    done = ledger.transitions.advance(storing, Change(to=State.CANCELED, fields={"images": IMAGES}))
    assert isinstance(done, Advanced)
    assert len(done.granted) == 2


@pytest.mark.usefixtures("storing")
def test_one_worker_probes_after_a_second_and_again_five_seconds_after_a_failure(ledger: Ledger, time: Time) -> None:
    assert not ledger.limits.store_probe_due(10)
    time.pass_(1)
    assert [ledger.limits.store_probe_due(10) for _ in range(3)] == [True, False, False]
    ledger.limits.store_probed("still full")
    assert ledger.limits.slots().store_reason == "still full"
    time.pass_(4.9)
    assert not ledger.limits.store_probe_due(10)
    time.pass_(0.1)
    assert ledger.limits.store_probe_due(10)
    time.pass_(10)  # that worker was killed
    assert ledger.limits.store_probe_due(10)
    time.pass_(-3600)  # the server's clock was set back
    assert ledger.limits.store_probe_due(10)


def test_after_a_stored_probe_one_job_goes_first(ledger: Ledger, time: Time, storing: Job) -> None:
    ledger.limits.store_probed(None)
    assert granted(ledger) == {"b"}
    job = moved(ledger, ledger.jobs.get("b"), Change(to=State.RUNNING, fields={"vendor_job_id": "w"}, due_in=60))
    time.pass_(30)
    assert granted(ledger) == {"b"}
    moved(ledger, job, Change(to=State.FAILED))
    assert granted(ledger) == {"c"}
    moved(ledger, storing, Change(to=State.STORING, due_in=60, store_failed=REFUSED))  # small objects only
    moved(ledger, ledger.jobs.get("c"), Change(to=State.FAILED))
    assert granted(ledger) == set()
    time.pass_(1.9)
    assert not ledger.limits.store_probe_due(10)  # a second doubled: it was opened twice
    time.pass_(0.1)
    assert ledger.limits.store_probe_due(10)


@pytest.mark.usefixtures("storing")
def test_a_breaker_that_nothing_tries_any_more_closes_by_itself(ledger: Ledger) -> None:
    name = f"{ledger.prefix}:store"
    assert ledger.client.pttl(name) == -1
    ledger.limits.store_probed(None)
    assert 0 < ledger.client.pttl(name) <= 60_000
    ledger.limits.store_probed("no longer asked")
    assert ledger.client.pttl(name) > 0


@pytest.mark.usefixtures("storing")
def test_the_probe_writes_and_deletes_one_small_object(
    ledger: Ledger, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, written = memory_storage(), list[str]()
    put = storage.put

    def noted(key: str, data: bytes, content_type: str) -> None:
        written.append(key)
        if time.at % 2:
            raise StorageUnavailable(REFUSED)
        put(key, data, content_type)

    monkeypatch.setattr(storage, "put", noted)
    probe = StoreProbe(ledger, storage, timeout=1)
    probe.run()
    assert written == []
    time.pass_(1.001)
    probe.run()
    time.pass_(5.001)
    probe.run()
    probe.run()
    assert written == [PROBE, PROBE]
    assert list(storage.list()) == []
    assert granted(ledger) == {"b"}


def test_a_store_that_is_away_stops_paying_and_loses_nothing(installation: Installation) -> None:
    producer = installation.producer()
    (installation.store / "results").write_text("in the way")  # that stops root as well
    with installation.worker():
        jobs = [producer.enqueue(SwapRequest(image=PHOTOGRAPH, gender=0, filter_id=12)).job_id for _ in range(30)]
        waited_for(lambda: producer.ledger.stats.counters().get("store_retries", 0) >= 6)
        slots_shown = installation.cli("slots")
        assert "nothing new is submitted since" in slots_shown.stdout
        assert json.loads(installation.cli("slots", "--json").stdout)["store_reason"]
        paid = installation.vendor.control.report(jobs=False).submissions
        assert paid <= 6  # those that had a slot before the first result could not be stored
        (installation.store / "results").unlink()
        assert [producer.wait(job_id, timeout=60).state for job_id in jobs] == [State.SUCCEEDED] * 30
    assert installation.vendor.control.report(jobs=False).credits_spent == 60
    assert producer.ledger.limits.slots().store_failing_since is None
