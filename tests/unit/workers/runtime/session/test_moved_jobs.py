from __future__ import annotations

from types import SimpleNamespace

import pytest

from support.jobs.fakes import job
from swapline_producer.contract import Job, Notification, State
from swapline_producer.errors import UnreadableRecord
from swapline_workers.runtime.session import moved_jobs
from swapline_workers.runtime.session.moved_jobs import MovedJobs


def test_a_running_job_is_taken_once_at_the_version_it_was_brought_to() -> None:
    moved = MovedJobs(lambda _: False)
    running = job(State.RUNNING)
    moved.remember(running)
    assert moved.take(running.job_id, running.version) is running
    assert moved.take(running.job_id, running.version) is None


def test_a_job_at_another_version_has_to_be_read() -> None:
    moved = MovedJobs(lambda _: False)
    running = job(State.RUNNING)
    moved.remember(running)
    assert moved.take(running.job_id, running.version + 1) is None


@pytest.mark.parametrize("has_pictures", [True, False])
def test_a_job_in_storing_is_taken_only_with_its_pictures_in_memory(has_pictures: bool) -> None:
    moved = MovedJobs(lambda _: has_pictures)
    storing = job(State.STORING)
    moved.remember(storing)
    assert moved.take(storing.job_id, storing.version) is (storing if has_pictures else None)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELED, State.HELD])
def test_a_job_whose_webhook_is_pending_is_taken_within_a_second(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr(moved_jobs, "time", SimpleNamespace(monotonic=lambda: now))
    moved = MovedJobs(lambda _: False)
    ended = job(state, notification=Notification.PENDING)
    moved.remember(ended)
    now = 10.9
    assert moved.take(ended.job_id, ended.version) is ended
    moved.remember(ended)
    now = 11.9
    assert moved.take(ended.job_id, ended.version) is None


def test_a_job_that_was_just_given_a_slot_is_read_from_its_record_when_it_is_taken() -> None:
    moved = MovedJobs(lambda _: False)
    granted = job(State.SUBMITTING)
    moved.remember_granted(granted.job_id, granted.version, lambda: granted)
    assert moved.take(granted.job_id, granted.version) is granted


def test_a_record_that_cannot_be_read_fails_when_it_is_taken() -> None:
    def read() -> Job:
        raise UnreadableRecord("a", "spec")

    moved = MovedJobs(lambda _: False)
    moved.remember_granted("a", 2, read)
    with pytest.raises(UnreadableRecord):
        moved.take("a", 2)


@pytest.mark.parametrize("state", sorted(set(State) - {State.RUNNING, State.STORING}))
def test_other_jobs_are_always_read(state: State) -> None:
    moved = MovedJobs(lambda _: True)
    moved.remember(job(state))
    assert moved.take("0" * 32, 7) is None


def test_the_oldest_are_dropped_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moved_jobs, "MOST_JOBS", 2)
    moved = MovedJobs(lambda _: False)
    for name in "abc":
        moved.remember(job(State.RUNNING, job_id=name))
    assert [moved.take(name, 7) is None for name in "abc"] == [True, False, False]
