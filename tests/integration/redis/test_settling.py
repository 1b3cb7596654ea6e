"""A Redis that has come back may lack its last writes: workers write what they know before paid calls begin."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.jobs.fakes import FakeReply, FakeVendor, World
from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import new_job, waited_for
from support.redis.one_address import one_address
from swapline_producer.contract import FailureCode, Job, State, transitions
from swapline_producer.contract.answers import Advanced, CancelRequested, LostRace
from swapline_producer.errors import LedgerSettling
from swapline_producer.ledger import Ledger, connect
from swapline_producer.ledger.settling import SETTLING_S
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.outcomes import STALE, Next
from swapline_workers.local.valkey.server import EmbeddedValkey
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from swapline_producer.contract import JobSpec
    from swapline_workers.core.outcomes import Outcome


@pytest.fixture
def server(tmp_path: Path) -> Generator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path / "valkey") as running:
        yield running


def with_slot(ledger: Ledger, job_id: str) -> Job:
    ledger.intake.accept(new_job(job_id))
    found = ledger.jobs.get(job_id)
    if found.state is State.QUEUED:  # no worker has claimed yet
        assert ledger.transitions.line_up(found)
        found = ledger.jobs.get(job_id)
    assert (found.state, found.version) == (State.SUBMITTING, 2)
    return found


def settled(ledger: Ledger) -> None:
    """Wait until the server, which has just been started, may be written attempts."""
    ledger.server()
    time.sleep(SETTLING_S)


def attempt(ledger: Ledger, job: Job) -> Advanced | LostRace | CancelRequested:
    return ledger.transitions.advance(job, transitions.attempted(job, rescue_after=15))


def test_an_attempt_waits_after_a_restart_and_nothing_else_does(server: EmbeddedValkey) -> None:
    with connect(server.url) as client, connect(server.url) as another:
        ledger = Ledger(client)
        settled(ledger)
        first, second = (with_slot(ledger, name) for name in ("a", "b"))
        assert isinstance(attempt(ledger, first), Advanced)
        server.kill()
        server.start()
        with pytest.raises(LedgerSettling) as raised:
            attempt(ledger, second)
        assert 0 < raised.value.seconds <= SETTLING_S
        assert ledger.jobs.get("b").version == 2
        failed = transitions.failed(second, FailureCode.SUBMIT_UNKNOWN, "", rescue_after=15)
        assert isinstance(ledger.transitions.advance(second, failed), Advanced)
        third = with_slot(ledger, "c")
        with pytest.raises(LedgerSettling):
            attempt(Ledger(another), third)  # a process that knew no other server


def test_a_claim_meets_the_server_so_that_later_attempts_need_not_wait(
    server: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapline_producer.ledger.settling.SETTLING_S", 0.3)
    with connect(server.url) as client:
        ledger = Ledger(client)
        ledger.transitions.claim(ROUTES)
        job = with_slot(ledger, "a")
        server.kill()
        server.start()
        ledger.transitions.claim(ROUTES)
        time.sleep(0.35)
        assert isinstance(attempt(ledger, job), Advanced)


def test_an_attempt_waits_after_a_fail_over(tmp_path: Path) -> None:
    with one_address(tmp_path) as address, connect(address.url) as client:
        ledger = Ledger(client)
        ledger.transitions.claim(ROUTES)
        job = with_slot(ledger, "a")
        address.fail_over()
        with pytest.raises(LedgerSettling):
            attempt(ledger, job)


def losing_what_follows(server: EmbeddedValkey) -> Callable[[], None]:
    """Return what starts the server again without the writes that are made from now on."""
    kept = {file: file.stat().st_size for file in (server.folder / "appendonlydir").iterdir()}

    def lose() -> None:
        server.kill()
        for file, size in kept.items():
            os.truncate(file, size)
        server.start()

    return lose


def test_a_call_whose_attempt_was_lost_is_written_before_another_worker_makes_it_again(server: EmbeddedValkey) -> None:
    """Redis loses the attempt while a worker makes the call; another worker has the job's slot, and its message."""
    ours, other, written = World(), World(), threading.Event()
    paused: list[float] = []

    def wait_for_the_first(seconds: float) -> None:
        paused.append(seconds)
        assert written.wait(60)
        time.sleep(seconds)

    with connect(server.url) as client, connect(server.url) as another:
        first = JobSession(Ledger(client), RecordingPublisher(), schedule_wakeup=lambda _: None)
        second = JobSession(
            Ledger(another), RecordingPublisher(), schedule_wakeup=lambda _: None, pause=wait_for_the_first
        )
        assert second.claim().messages == ()  # it has met the server
        job = with_slot(Ledger(client), "a")
        lose = losing_what_follows(server)

        def perform(session: JobSession, world: World) -> Outcome:
            ports = replace(world.ports, writes=session.writes, view=session.view)
            with session.lease("a", job.version) as opened:
                return submit(opened.job, opened.at, ports) if opened else STALE

        class Losing(FakeVendor):
            """Answers when Redis has lost the attempt, and another worker is about to make its own."""

            def submit(self, spec: JobSpec, image: str) -> FakeReply:
                lose()
                again.start()
                waited_for(lambda: paused != [] or not again.is_alive())
                return super().submit(spec, image)

        ours.vendor = Losing()
        again = threading.Thread(target=perform, args=(second, other))
        assert isinstance(perform(first, ours), Next)
        written.set()
        again.join(60)
        assert (len(ours.vendor.submitted), len(other.vendor.submitted)) == (1, 0)
        found = Ledger(client).jobs.get("a")
    assert (found.state, found.attempts, found.vendor_job_id) == (State.RUNNING, 1, "job-abc-123")


def test_a_worker_that_drains_while_it_waits_makes_no_call(server: EmbeddedValkey) -> None:
    with connect(server.url) as client:
        ledger = Ledger(client)

        def drain(_seconds: float) -> None:
            session.drain()

        session = JobSession(ledger, RecordingPublisher(), schedule_wakeup=lambda _: None, pause=drain)
        session.claim()
        job = with_slot(ledger, "a")
        server.kill()
        server.start()
        with session.leases.lease("a", job.version):
            assert session.writes.advance(job, transitions.attempted(job, rescue_after=15)) == LostRace()
        [message] = session.claim().messages
        assert (message.job_id, ledger.jobs.get("a").attempts) == ("a", 0)
