from __future__ import annotations

import queue
from typing import TYPE_CHECKING

import pytest

from support.jobs.publishers import NullPublisher
from support.redis.fixtures import new_job
from swapline_producer.contract import Job, State, Step, StepMessage
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.ledger import Ledger, connect
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.runtime.due_dispatcher import SWEEP_INTERVAL_S, DueDispatcher
from swapline_workers.runtime.session.job_session import JobSession

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from support.redis.fixtures import Time
    from swapline_workers.local.valkey.server import EmbeddedValkey


def session_over(ledger: Ledger) -> Callable[[], JobSession]:
    session = JobSession(ledger, NullPublisher(), schedule_wakeup=lambda _: None)
    return lambda: session


class Postbox:
    """Keeps what the due dispatcher sends, and lets a test wait for it."""

    def __init__(self) -> None:
        self.messages: queue.Queue[StepMessage] = queue.Queue()

    def send(self, messages: Sequence[StepMessage]) -> bool:
        for message in messages:
            self.messages.put(message)
        return True

    def next(self) -> StepMessage:
        return self.messages.get(timeout=30)

    def nothing_for(self, seconds: float) -> None:
        with pytest.raises(queue.Empty):
            self.messages.get(timeout=seconds)


@pytest.fixture
def live(valkey: EmbeddedValkey, prefix: str) -> Generator[Ledger]:
    """A ledger on the server's own clock."""
    client = connect(valkey.url)
    built = Ledger(client, prefix)
    built.limits.configure(Limits(max_in_flight=3, rescue_after=1))
    yield built
    client.close()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def hands() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def due_dispatcher(
    live: Ledger, postbox: Postbox, hands: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> Generator[DueDispatcher]:
    session = session_over(live)
    monkeypatch.setattr(session().leases, "all", lambda: hands)
    running = DueDispatcher(live, postbox, session=session, renew_every=0.3)
    running.start()
    yield running
    running.stop()
    assert not running.is_alive()


def running_job(ledger: Ledger, job_id: str, due_in: float) -> tuple[Job, int]:
    [submit] = ledger.intake.accept(new_job(job_id)).messages
    if submit.version == 1:  # no worker lived
        queued = ledger.transitions.open(job_id, 1)
        assert queued is not None
        ledger.transitions.line_up(queued.job)
    granted = ledger.transitions.open(job_id, 2)
    assert granted is not None
    advanced = ledger.transitions.advance(granted.job, Change(to=State.RUNNING, due_in=due_in))
    assert isinstance(advanced, Advanced)
    assert advanced.due is not None
    return advanced.job, advanced.due


def test_what_was_due_before_the_due_dispatcher_started_is_sent(live: Ledger, postbox: Postbox) -> None:
    running_job(live, "a", due_in=0)
    due_dispatcher = DueDispatcher(live, postbox, session=session_over(live), renew_every=5)
    due_dispatcher.start()
    assert postbox.next() == StepMessage(step=Step.POLL, job_id="a", version=3)
    due_dispatcher.stop()


@pytest.mark.usefixtures("due_dispatcher")
def test_what_another_process_made_due_is_found(live: Ledger, postbox: Postbox) -> None:
    running_job(live, "a", due_in=0.01)
    assert postbox.next().job_id == "a"


def test_a_scheduled_wakeup_brings_the_next_claim_forward(
    live: Ledger, postbox: Postbox, due_dispatcher: DueDispatcher
) -> None:
    for number in range(5):
        _, due = running_job(live, f"a{number}", due_in=0.05)
        due_dispatcher.schedule_wakeup(due)
        assert postbox.next().job_id == f"a{number}"
        advanced = live.transitions.open(f"a{number}", 3)
        assert advanced is not None
        live.transitions.advance(advanced.job, Change(to=State.FAILED))


@pytest.mark.usefixtures("due_dispatcher")
def test_a_message_that_was_lost_is_sent_again(live: Ledger, postbox: Postbox) -> None:
    running_job(live, "a", due_in=0)
    first, again = postbox.next(), postbox.next()
    assert first == again
    assert live.stats.counters()["rescues"] >= 1


@pytest.mark.usefixtures("due_dispatcher")
def test_a_leased_job_is_left_alone_while_its_worker_lives(
    live: Ledger,
    postbox: Postbox,
    hands: list[tuple[str, int]],
) -> None:
    hands.append(("mine", 3))
    running_job(live, "mine", due_in=1)
    running_job(live, "other", due_in=1)
    # The other job is rescued twice, a second apart: a job that was not put off would have been sent as well.
    assert [postbox.next().job_id for _ in range(2)] == ["other", "other"]


def test_many_due_dispatchers_cost_the_ledger_what_one_does(live: Ledger, postbox: Postbox) -> None:
    def claims_in(seconds: float, number: int) -> int:
        clocks = [DueDispatcher(live, postbox, session=session_over(live), renew_every=5) for _ in range(number)]
        for due_dispatcher in clocks:
            due_dispatcher.start()
        postbox.nothing_for(1.0)  # until each has heard of the others
        before = live.client.info("commandstats")["cmdstat_evalsha"]["calls"]
        postbox.nothing_for(seconds)
        after = live.client.info("commandstats")["cmdstat_evalsha"]["calls"]
        for due_dispatcher in clocks:
            due_dispatcher.stop()
        return int(after - before)

    assert claims_in(3.0, 12) < 2 * 3.0 / SWEEP_INTERVAL_S


def test_dispatchers_of_killed_workers_do_not_make_the_others_sweep_less_often(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(rescue_after=12))
    for number in range(8):
        ledger.transitions.claim(ROUTES, dispatcher=f"killed {number}")
    time.at += 5_000
    assert ledger.transitions.claim(ROUTES, dispatcher="living").dispatchers == 9
    time.at += 7_001
    assert ledger.transitions.claim(ROUTES, dispatcher="living").dispatchers == 1


def test_the_due_dispatcher_survives_a_ledger_that_is_away(postbox: Postbox) -> None:
    away = Ledger(connect("redis://127.0.0.1:1/0", timeout=0.2))
    due_dispatcher = DueDispatcher(away, postbox, session=session_over(away), renew_every=5)
    due_dispatcher.start()
    due_dispatcher.stop()
    assert not due_dispatcher.is_alive()
