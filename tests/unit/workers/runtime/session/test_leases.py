from __future__ import annotations

import threading

import pytest

from swapline_workers.runtime.session.leases import Leases


def test_a_lease_lasts_for_its_block_and_follows_its_job_to_the_next_version() -> None:
    leases = Leases()
    with leases.lease("a", 1):
        leases.moved("a", 2)
        assert leases.all() == [("a", 2)]
    assert leases.all() == []


def test_a_lease_ends_when_its_step_fails() -> None:
    leases = Leases()

    def failing_step() -> None:
        with leases.lease("a", 1):
            leases.begin_paying("t")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing_step()
    assert (leases.all(), leases.paying) == ([], 0)


def test_the_highest_version_that_a_thread_has_is_known_to_the_others() -> None:
    leases, leased, over = Leases(), threading.Event(), threading.Event()

    def other() -> None:
        with leases.lease("a", 7):
            leased.set()
            over.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert leased.wait(10)
    with leases.lease("a", 5):
        assert (leases.version_of("a"), leases.version_of("b")) == (7, None)
    over.set()
    thread.join()
    assert leases.version_of("a") is None


def test_a_job_is_being_written_until_the_reply_is_read() -> None:
    leases = Leases()
    with leases.writing("a"):
        assert (leases.is_written("a"), leases.is_written("b")) == (True, False)
    assert not leases.is_written("a")


def test_paid_calls_are_counted_until_their_lease_ends() -> None:
    leases = Leases()
    with leases.lease("a", 1):
        assert leases.begin_paying("t")
        assert leases.paying == 1
    assert leases.paying == 0


def test_the_first_write_after_an_attempt_settles_it() -> None:
    leases = Leases()
    with leases.lease("a", 1):
        leases.begin_paying("t")
        assert [leases.settles(), leases.settles()] == ["t", ""]
        assert leases.paying == 1
    assert leases.settles() == ""


def test_no_paid_call_begins_while_the_worker_drains() -> None:
    leases = Leases()
    leases.draining = True
    with leases.lease("a", 1):
        assert not leases.begin_paying("t")
