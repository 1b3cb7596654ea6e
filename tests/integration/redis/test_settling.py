"""A Redis that has come back may lack its last writes: workers write what they know before paid calls begin."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from support.jobs.fakes import FakeReply, FakeVendor, World
from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import new_job, waited_for
from support.redis.lost_writes import losing_what_follows
from support.redis.one_address import OneAddress, admin, one_address
from swapline_producer.contract import FailureCode, Job, State, Step, StepMessage, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced, CancelRequested, LostRace
from swapline_producer.errors import LedgerSettling
from swapline_producer.ledger import Ledger, connect
from swapline_workers import errors
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.outcomes import STALE, Next
from swapline_workers.local.ports import LOOPBACK
from swapline_workers.local.valkey.server import EmbeddedValkey
from swapline_workers.runtime.attempt_keeper import AttemptKeeper
from swapline_workers.runtime.session.job_session import JobSession
from swapline_workers.runtime.shutdown import GracefulShutdown
from swapline_workers.steps.submit import submit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import redis

    from support.redis.fixtures import Time
    from swapline_producer.contract import JobSpec
    from swapline_workers.core.outcomes import Outcome, Refused


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


def attempt(ledger: Ledger, job: Job) -> Advanced | LostRace | CancelRequested:
    return ledger.transitions.advance(job, transitions.attempted(job, rescue_after=15))


@pytest.fixture
def _long_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that is slow is not over it."""
    monkeypatch.setattr("swapline_producer.ledger.jobs.transitions.ATTEMPT_DELAY_ON_NEW_SERVER_S", 600.0)


@pytest.mark.usefixtures("_long_settling")
def test_an_attempt_waits_after_a_restart_and_nothing_else_does(server: EmbeddedValkey) -> None:
    with connect(server.url) as client, connect(server.url) as another:
        ledger = Ledger(client)
        ledger.transitions.claim(ROUTES)
        first, second = (with_slot(ledger, queued(ledger, name)) for name in ("a", "b"))
        assert isinstance(attempt(ledger, first), Advanced)
        server.kill()
        server.start()
        with pytest.raises(LedgerSettling):
            attempt(ledger, second)
        assert ledger.jobs.get("b").version == 2
        failed = transitions.failed(second, FailureCode.SUBMIT_UNKNOWN, "", rescue_after=15)
        assert isinstance(ledger.transitions.advance(second, failed), Advanced)
        third = with_slot(ledger, queued(ledger, "c"))
        with pytest.raises(LedgerSettling):
            attempt(Ledger(another), third)  # a process that knew no other server


def test_servers_settle_from_the_first_claim_or_attempt_on(
    ledger: Ledger, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["first"]
    monkeypatch.setattr(ledger.scripts, "server_of", lambda _: names[-1])

    def seconds_to_wait(job_id: str) -> float:
        job = with_slot(ledger, queued(ledger, job_id))
        try:
            attempt(ledger, job)
        except LedgerSettling as settling:
            ended = transitions.failed(job, FailureCode.SUBMIT_UNKNOWN, "", rescue_after=15)
            assert isinstance(ledger.transitions.advance(job, ended), Advanced)
            return settling.seconds
        return 0.0

    ledger.limits.configure(Limits(max_in_flight=50))
    assert seconds_to_wait("the first server ever") == 0.0
    names.append("second")
    assert seconds_to_wait("a server in its place") == 1.5
    time.pass_(1.0)
    assert seconds_to_wait("a second later") == 0.5
    time.pass_(0.5)
    assert seconds_to_wait("settled") == 0.0
    names.append("third")
    ledger.transitions.claim(ROUTES)
    time.pass_(1.2)
    assert seconds_to_wait("known by a claim") == 0.3
    time.pass_(-60)
    assert seconds_to_wait("after a step back of the time") == 0.0
    names.append("first")
    assert seconds_to_wait("promoted again, under its old id") == 0.0
    for number in range(30):
        names.append(f"{number}")
        ledger.transitions.claim(ROUTES)
    assert ledger.client.zcard(ledger.scripts.key("servers")) == 20


@pytest.mark.usefixtures("_long_settling")
def test_an_attempt_waits_after_a_fail_over_also_by_a_worker_that_has_just_begun(tmp_path: Path) -> None:
    with one_address(tmp_path) as address, connect(address.url) as client, connect(address.url) as another:
        ledger = Ledger(client)
        ledger.transitions.claim(ROUTES)
        job = with_slot(ledger, queued(ledger, "a"))
        address.fail_over()
        for each in (Ledger(another), ledger):
            with pytest.raises(LedgerSettling):
                attempt(each, job)


def perform(session: JobSession, message: StepMessage, world: World) -> Outcome:
    """Do the step `submit`, with a vendor of its own."""
    ports = replace(world.ports, writes=session.writes, view=session.view)
    with session.lease(message.job_id, message.version) as opened:
        return submit(opened.job, opened.at, ports) if opened else STALE


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
            assert session.claim().messages == ()

    def _pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        assert self.may_go_on.wait(60)
        time.sleep(seconds)


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
    again = threading.Thread(target=perform, args=(pair.second, message, other))

    def act() -> None:
        lose()
        again.start()
        waited_for(lambda: pair.paused != [] or not again.is_alive())

    ours = World(vendor=Meanwhile(act=act))
    assert isinstance(perform(pair.first, message, ours), Next)
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
        waited_for(lambda: pair.first.leases.all() == [("a", found.version)])

    ours = World(vendor=Meanwhile(submission=reply, act=act))
    perform(pair.first, message, ours)
    keeper.stop()
    found = pair.ledger.jobs.get("a")
    assert (found.state, found.attempts, found.attempt_open) == (state, 1, False)
    assert pair.ledger.jobs.events("a")[-1].name == note
    assert credits_spent(pair.ledger) == credits_


@pytest.mark.parametrize(
    "reply",
    [
        FakeReply(),
        errors.OutOfCredits("402"),
        errors.Refused("no", code=FailureCode.NO_FACE_FOUND),
        errors.Unclear("cut"),
    ],
    ids=["accepted", "refused", "rejected", "unknown"],
)
def test_a_call_that_ends_while_its_attempt_is_being_written_again_leaves_no_open_attempt(
    pair: Pair, reply: FakeReply | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = message_of(with_slot(pair.ledger, queued(pair.ledger, "a")))
    lose = losing_what_follows(pair.server)
    writing, ended = threading.Event(), threading.Event()
    restore, settles = pair.ledger.transitions.restore_attempt, pair.first.leases.settles

    def restore_late(*arguments: Any, **more: Any) -> Any:
        writing.set()
        assert ended.wait(60)
        return restore(*arguments, **more)

    def settle_noted() -> str:
        token = settles()
        ended.set()
        return token

    monkeypatch.setattr(pair.ledger.transitions, "restore_attempt", restore_late)
    monkeypatch.setattr(pair.first.leases, "settles", settle_noted)
    keeper = threading.Thread(target=pair.first.attempts.restore)

    def act() -> None:
        lose()
        keeper.start()
        assert writing.wait(60)

    perform(pair.first, message, World(vendor=Meanwhile(submission=reply, act=act)))
    keeper.join(60)
    assert not pair.ledger.jobs.get("a").attempt_open


def fail_over_silently(address: OneAddress) -> None:
    """Promote the replica; connections to the old primary stay open, and lead to a replica."""
    old, new = address.primary, address.replica
    with admin(new) as promoted, admin(old) as demoted:
        promoted.replicaof("no", "one")
        address.proxy.upstream = new.port
        demoted.replicaof(LOOPBACK, str(new.port))


def test_a_keeper_learns_at_once_that_its_connection_leads_to_a_demoted_server(tmp_path: Path) -> None:
    with one_address(tmp_path) as address, connect(address.url) as client:
        ledger = Ledger(client)
        before = ledger.server(confirm=True)
        fail_over_silently(address)
        assert ledger.server(confirm=True) != before


def test_a_call_whose_worker_is_still_connected_to_the_demoted_server_is_not_made_again(tmp_path: Path) -> None:
    """The other worker's connections broke, and lead to the promoted server, which lacks the attempt."""
    with one_address(tmp_path) as address, connect(address.url) as client, connect(address.url) as another:
        ledger, other = Ledger(client), World()
        first = JobSession(ledger, RecordingPublisher(), schedule_wakeup=lambda _: None)

        def wait_for_the_first(seconds: float) -> None:
            waited_for(lambda: second_ledger.jobs.get("a").attempt_open)
            time.sleep(seconds)

        second_ledger = Ledger(another)
        second = JobSession(
            second_ledger, RecordingPublisher(), schedule_wakeup=lambda _: None, pause=wait_for_the_first
        )
        assert second.claim().messages == ()
        keeper = AttemptKeeper(first.attempts)
        keeper.start()
        message = message_of(with_slot(ledger, queued(ledger, "a")))
        again = threading.Thread(target=perform, args=(second, message, other))

        def act() -> None:
            fail_over_silently(address)
            again.start()
            again.join(60)

        address.part()
        another.connection_pool.disconnect()
        ours = World(vendor=Meanwhile(act=act))
        perform(first, message, ours)
        keeper.stop()
    assert (len(ours.vendor.submitted), len(other.vendor.submitted)) == (1, 0)


def attempt_after_restart(server: EmbeddedValkey, ledger: Ledger, session: JobSession) -> Job | Refused:
    session.claim()
    job = with_slot(ledger, queued(ledger, "a"))
    server.kill()
    server.start()
    with session.leases.lease("a", job.version):
        return session.writes.advance(job, transitions.attempted(job, rescue_after=15))


def test_a_worker_that_is_stopped_while_an_attempt_waits_reports_no_paid_call(
    server: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(server.url) as client:
        ledger, ended = Ledger(client), threading.Event()

        def stop(_seconds: float) -> None:
            shutdown = GracefulShutdown(session, grace=0.2, exit_process=lambda _: ended.set())
            shutdown.begin(process_ends=True)
            assert ended.wait(60)

        session = JobSession(ledger, RecordingPublisher(), schedule_wakeup=lambda _: None, pause=stop)
        assert attempt_after_restart(server, ledger, session) == LostRace()
    assert [line.levelname for line in caplog.records if line.levelname == "ERROR"] == []


def test_a_worker_that_drains_while_it_waits_makes_no_call(server: EmbeddedValkey) -> None:
    with connect(server.url) as client:
        ledger = Ledger(client)

        def drain(_seconds: float) -> None:
            session.drain()

        session = JobSession(ledger, RecordingPublisher(), schedule_wakeup=lambda _: None, pause=drain)
        assert attempt_after_restart(server, ledger, session) == LostRace()
        [message] = session.claim().messages
        assert (message.job_id, ledger.jobs.get("a").attempts) == ("a", 0)
