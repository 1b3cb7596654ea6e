"""A Redis that has come back may lack its last writes: workers write what they know before paid calls begin."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from support.jobs.fakes import FakeReply, FakeVendor, World
from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import new_job, waited_for
from support.redis.one_address import one_address
from swapline_producer.contract import FailureCode, Job, State, Step, StepMessage, transitions
from swapline_producer.contract.answers import Advanced, CancelRequested, LostRace
from swapline_producer.errors import LedgerSettling
from swapline_producer.ledger import Ledger, connect
from swapline_producer.ledger.settling import SETTLING_S
from swapline_workers import errors
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.outcomes import STALE, Next
from swapline_workers.local.valkey.server import EmbeddedValkey
from swapline_workers.runtime.attempt_keeper import AttemptKeeper
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import redis

    from swapline_producer.contract import JobSpec
    from swapline_workers.core.outcomes import Outcome


@pytest.fixture
def server(tmp_path: Path) -> Generator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path / "valkey") as running:
        yield running


def queued(ledger: Ledger, job_id: str) -> Job:
    """Accept a job as if no worker lived, so that it waits in line."""
    ledger.client.delete(ledger.scripts.key("dispatchers"))
    ledger.intake.accept(new_job(job_id))
    return ledger.jobs.get(job_id)


def with_slot(ledger: Ledger, job: Job) -> Job:
    assert ledger.transitions.line_up(job)
    found = ledger.jobs.get(job.job_id)
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
        first, second = (with_slot(ledger, queued(ledger, name)) for name in ("a", "b"))
        assert isinstance(attempt(ledger, first), Advanced)
        server.kill()
        server.start()
        with pytest.raises(LedgerSettling) as raised:
            attempt(ledger, second)
        assert 0 < raised.value.seconds <= SETTLING_S
        assert ledger.jobs.get("b").version == 2
        failed = transitions.failed(second, FailureCode.SUBMIT_UNKNOWN, "", rescue_after=15)
        assert isinstance(ledger.transitions.advance(second, failed), Advanced)
        third = with_slot(ledger, queued(ledger, "c"))
        with pytest.raises(LedgerSettling):
            attempt(Ledger(another), third)  # a process that knew no other server


def test_a_claim_meets_the_server_so_that_later_attempts_need_not_wait(
    server: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapline_producer.ledger.settling.SETTLING_S", 0.3)
    with connect(server.url) as client:
        ledger = Ledger(client)
        ledger.transitions.claim(ROUTES)
        job = with_slot(ledger, queued(ledger, "a"))
        server.kill()
        server.start()
        ledger.transitions.claim(ROUTES)
        time.sleep(0.35)
        assert isinstance(attempt(ledger, job), Advanced)


def test_an_attempt_waits_after_a_fail_over(tmp_path: Path) -> None:
    with one_address(tmp_path) as address, connect(address.url) as client:
        ledger = Ledger(client)
        ledger.transitions.claim(ROUTES)
        job = with_slot(ledger, queued(ledger, "a"))
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


class Pair:
    """Two workers' sessions over one ledger."""

    def __init__(self, server: EmbeddedValkey, clients: tuple[redis.Redis, redis.Redis]) -> None:
        self.server = server
        self.ledger = Ledger(clients[0])
        self.paused: list[float] = []
        self.may_go_on = threading.Event()
        self.first = JobSession(self.ledger, RecordingPublisher(), schedule_wakeup=lambda _: None)
        self.second = JobSession(
            Ledger(clients[1]), RecordingPublisher(), schedule_wakeup=lambda _: None, pause=self._pause
        )
        for session in (self.first, self.second):
            assert session.claim().messages == ()  # it has met the server
        time.sleep(SETTLING_S)

    def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        assert self.may_go_on.wait(60)
        time.sleep(seconds)

    def perform(self, session: JobSession, message: StepMessage, world: World) -> Outcome:
        """Do the step `submit`, with a vendor of its own."""
        ports = replace(world.ports, writes=session.writes, view=session.view)
        with session.lease(message.job_id, message.version) as opened:
            return submit(opened.job, opened.at, ports) if opened else STALE


@pytest.fixture
def pair(server: EmbeddedValkey) -> Generator[Pair]:
    with connect(server.url) as client, connect(server.url) as another:
        yield Pair(server, (client, another))


@dataclass
class Meanwhile(FakeVendor):
    """Answers when something else has happened during the call."""

    act: Callable[[], object] = lambda: None

    def submit(self, spec: JobSpec, image: str) -> FakeReply:
        self.act()
        return super().submit(spec, image)


def message_of(job: Job) -> StepMessage:
    return StepMessage(step=Step.SUBMIT, job_id=job.job_id, version=job.version)


def test_a_call_whose_attempt_was_lost_is_written_before_another_worker_makes_it_again(pair: Pair) -> None:
    """Redis loses the attempt while a worker makes the call; another worker has the job's slot, and its message."""
    message = message_of(with_slot(pair.ledger, queued(pair.ledger, "a")))
    lose, other = losing_what_follows(pair.server), World()
    again = threading.Thread(target=pair.perform, args=(pair.second, message, other))

    def act() -> None:
        lose()
        again.start()
        waited_for(lambda: pair.paused != [] or not again.is_alive())

    ours = World(vendor=Meanwhile(act=act))
    assert isinstance(pair.perform(pair.first, message, ours), Next)
    pair.may_go_on.set()
    again.join(60)
    assert (len(ours.vendor.submitted), len(other.vendor.submitted)) == (1, 0)
    found = pair.ledger.jobs.get("a")
    assert (found.state, found.attempts, found.vendor_job_id) == (State.RUNNING, 1, "job-abc-123")


REPLIES: dict[str, tuple[FakeReply | Exception, State, str, int]] = {
    "accepted": (FakeReply(), State.RUNNING, "submitted", 2),
    "refused": (errors.OutOfCredits("402"), State.QUEUED, "not submitted", 0),
    "unknown": (errors.Unclear("cut"), State.HELD, "held", 2),
}


def credits_spent(ledger: Ledger) -> int:
    days = ledger.client.scan_iter(match=ledger.scripts.key("spent", "*"))
    return sum(int(ledger.client.hget(day, "all") or 0) for day in days)


@pytest.mark.parametrize(("reply", "state", "note", "credits_"), REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("lost", ["the attempt", "the slot as well"])
def test_an_attempt_that_was_lost_during_its_call_is_written_again_and_settled(
    pair: Pair, lost: str, reply: FakeReply | Exception, state: State, note: str, credits_: int
) -> None:
    """Its keeper notices by itself; in the end the job is as if nothing had been lost."""
    keeper = AttemptKeeper(pair.first.attempts)
    keeper.start()
    job = queued(pair.ledger, "a")
    before_slot = losing_what_follows(pair.server)
    message = message_of(with_slot(pair.ledger, job))
    lose = losing_what_follows(pair.server) if lost == "the attempt" else before_slot

    def act() -> None:
        lose()
        waited_for(lambda: pair.ledger.jobs.get("a").attempt_open)
        found = pair.ledger.jobs.get("a")
        assert (found.state, found.attempts, found.slot) == (State.SUBMITTING, 1, True)
        assert pair.first.leases.all() == [("a", found.version)]

    ours = World(vendor=Meanwhile(submission=reply, act=act))
    pair.perform(pair.first, message, ours)
    keeper.stop()
    found = pair.ledger.jobs.get("a")
    assert (found.state, found.attempts, found.attempt_open) == (state, 1, False)
    assert pair.ledger.jobs.events("a")[-1].name == note
    assert credits_spent(pair.ledger) == credits_


def test_a_worker_that_drains_while_it_waits_makes_no_call(server: EmbeddedValkey) -> None:
    with connect(server.url) as client:
        ledger = Ledger(client)

        def drain(_seconds: float) -> None:
            session.drain()

        session = JobSession(ledger, RecordingPublisher(), schedule_wakeup=lambda _: None, pause=drain)
        session.claim()
        job = with_slot(ledger, queued(ledger, "a"))
        server.kill()
        server.start()
        with session.leases.lease("a", job.version):
            assert session.writes.advance(job, transitions.attempted(job, rescue_after=15)) == LostRace()
        [message] = session.claim().messages
        assert (message.job_id, ledger.jobs.get("a").attempts) == ("a", 0)
