"""The store is away or full after the vendor has delivered: the paid picture waits. See docs/failure-modes.md."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from support.jobs.factories import enqueued
from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_producer.contract import FailureCode, Priority, State, StoredImage
from swapline_producer.errors import StorageUnavailable
from swapline_simulator import sample_photographs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from support.programs.installation import Installation, Worker
    from swapline_producer.contract import Job


def paid_once(installation: Installation, done: list[Job]) -> None:
    assert [(job.state, job.attempts, job.credits) for job in done] == [(State.SUCCEEDED, 1, 2)] * len(done)
    assert installation.vendor.control.report(jobs=False).credits_spent == 2 * len(done)
    for job in done:
        assert len(installation.stored(job.images[0].key)) == job.images[0].bytes


@contextmanager
def nothing_can_be_stored(installation: Installation, _worker: Worker) -> Generator[None]:
    """A file lies where a folder belongs: that stops root as well."""
    (installation.store / "results").write_text("in the way")
    yield
    (installation.store / "results").unlink()


@contextmanager
def the_disk_is_full(_installation: Installation, worker: Worker) -> Generator[None]:
    """No file may grow beyond a thousand bytes: a write breaks off in its middle, as on a full disk."""
    _, hard = resource.prlimit(worker.child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.child.pid, resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.prlimit(worker.child.pid, resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("outage", [nothing_can_be_stored, the_disk_is_full])
def test_a_store_that_fails_after_the_vendor_has_delivered_loses_no_picture(
    installation: Installation, outage: Callable[[Installation, Worker], AbstractContextManager[None]]
) -> None:
    producer = installation.producer()
    with installation.worker() as worker:
        with outage(installation, worker):
            jobs = enqueued(producer, 4)  # one more than there are slots: the line goes on
            waited_for(lambda: producer.ledger.stats.census()[State.STORING] == 4)
            waited_for(lambda: producer.ledger.stats.counters().get("store_retries", 0) >= 4)
            assert producer.ledger.limits.slots().in_flight == ()
        done = [producer.wait(job_id, timeout=30) for job_id in jobs]
    paid_once(installation, done)
    assert list(installation.store.glob("results/**/.*")) == []  # and nothing half-written stays
    assert "Traceback" not in worker.log()


def test_an_input_that_cannot_be_read_waits_unpaid_and_one_that_is_gone_ends_its_job(
    installation: Installation,
) -> None:
    producer = installation.producer()
    jobs = enqueued(producer, 2)
    gone = producer.enqueue(SwapRequest(image=sample_photographs()[1], gender=0, filter_id=12))
    image = producer.get(gone.job_id).spec.image
    assert isinstance(image, StoredImage)
    (installation.store / image.key).unlink()
    inputs = installation.store / "inputs"
    inputs.rename(installation.store / "elsewhere")
    inputs.write_text("in the way")
    with installation.worker():
        waited_for(lambda: "cannot be read" in (producer.ledger.limits.slots().reason or ""))
        inputs.unlink()
        (installation.store / "elsewhere").rename(inputs)
        done = [producer.wait(job_id, timeout=30) for job_id in jobs]
        ended = producer.wait(gone.job_id, timeout=30)
    paid_once(installation, done)
    assert (ended.state, ended.failure_code, ended.credits) == (State.FAILED, FailureCode.STORAGE_FAILED, 0)


def test_one_input_that_cannot_be_read_stops_no_other_job_and_fails_its_own_unpaid(
    installation: Installation,
) -> None:
    producer = installation.producer()
    bad = producer.enqueue(SwapRequest(image=sample_photographs()[1], gender=0, filter_id=12, priority=Priority.HIGH))
    image = producer.get(bad.job_id).spec.image
    assert isinstance(image, StoredImage)
    (installation.store / image.key).unlink()
    (installation.store / image.key).symlink_to("/proc/self/mem")  # it opens, and reading is an input/output error
    jobs = enqueued(producer, 6)
    with installation.worker() as worker:
        done = [producer.wait(job_id, timeout=30) for job_id in jobs]
        assert not producer.ledger.limits.slots().paused
        ended = producer.wait(bad.job_id, timeout=90)
    paid_once(installation, done)
    assert (ended.state, ended.failure_code, ended.credits) == (State.FAILED, FailureCode.STORAGE_FAILED, 0)
    assert "the input cannot be read" in (ended.failure_detail or "")
    assert "Traceback" not in worker.log()


def test_a_producer_that_cannot_store_an_input_reports_it_and_enqueues_nothing(installation: Installation) -> None:
    (installation.store / "inputs").write_text("in the way")
    producer = installation.producer()
    with pytest.raises(StorageUnavailable, match="SWAPLINE_STORAGE_URL"):
        enqueued(producer, 1)
    assert sum(producer.ledger.stats.census().values()) == 0
