"""Cancel, whatever the state: at once where nothing is at the vendor, else when the vendor is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.jobs.publishers import RecordingPublisher
from support.redis.fixtures import new_job, waited_for
from swapline_producer import Producer, ProducerSettings
from swapline_producer.contract import Canceling, FailureCode, Job, State, Step, StepMessage
from swapline_producer.contract.answers import Advanced, CancelRequested, LostRace
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_producer.errors import JobNotFound, NotPossible
from swapline_simulator import sample_photographs
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.core.outcomes import CanceledInstead
from swapline_workers.runtime.session.job_session import JobSession

if TYPE_CHECKING:
    from support.programs.installation import Installation, Receiver
    from support.redis.fixtures import Time
    from swapline_producer.ledger import Ledger

SENDING = Change(
    to=State.SUBMITTING,
    fields={"attempts": 1, "attempt_open": True},
    stamps={"run_until": 50},
    due_in=15,
)
ACCEPTED = Change(
    to=State.RUNNING,
    fields={"vendor_job_id": "v", "attempt_open": False, "credits": 2},
    stamps={"submitted_at": 0, "run_until": 50},
    due_in=1,
)
NOT_SENT = Change(
    to=State.QUEUED,
    fields={"attempt_open": False},
    in_line=True,
    due_by="queue_until",
    refund=True,
    trip=BreakerTrip(reason="429"),
)
HELD = Change(to=State.HELD, fields={"attempt_open": False}, due_by="run_until", note="held")


@pytest.fixture
def local_first() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def producer(ledger: Ledger, local_first: RecordingPublisher) -> Producer:
    return Producer(ProducerSettings(key_prefix=ledger.prefix), ledger, local_first, None)


@pytest.fixture
def session(ledger: Ledger, local_first: RecordingPublisher) -> JobSession:
    return JobSession(ledger, local_first, schedule_wakeup=lambda _: None)


def queued(ledger: Ledger, job_id: str = "a") -> Job:
    ledger.intake.accept(new_job(job_id))
    return ledger.jobs.get(job_id)


def submitting(ledger: Ledger, job_id: str = "a") -> Job:
    assert ledger.transitions.line_up(queued(ledger, job_id))
    return ledger.jobs.get(job_id)


def moved(ledger: Ledger, job: Job, *changes: Change) -> Job:
    for change in changes:
        advanced = ledger.transitions.advance(job, change)
        assert isinstance(advanced, Advanced)
        job = advanced.job
    return job


def spent(ledger: Ledger, time: Time) -> int:
    return int(ledger.client.hget(f"{ledger.prefix}:spent:{time.at // 86_400_000}", "all") or 0)


def test_a_queued_job_is_canceled_at_once_and_leaves_the_line(producer: Producer, ledger: Ledger) -> None:
    queued(ledger)
    ended = producer.cancel("a")
    assert (ended.job.state, ended.job.failure_code, ended.charged) == (State.CANCELED, FailureCode.CANCELED, False)
    assert ledger.transitions.claim(ROUTES).messages == ()
    assert ledger.client.zcard(f"{ledger.prefix}:due") == 0


def test_a_slot_that_was_not_used_goes_to_the_next_job_and_its_credits_are_refunded(
    producer: Producer, ledger: Ledger, local_first: RecordingPublisher, time: Time
) -> None:
    for job_id in "abc":
        submitting(ledger, job_id) if job_id != "c" else ledger.transitions.line_up(queued(ledger, job_id))
    assert spent(ledger, time) == 4
    assert producer.cancel("a").charged is False
    assert local_first.messages == [StepMessage(step=Step.SUBMIT, job_id="c", version=2)]
    assert ledger.limits.slots().in_flight == ("b", "c")
    assert spent(ledger, time) == 4  # two refunded, two spent on the next


def test_canceling_before_the_paid_call_prevents_it(producer: Producer, ledger: Ledger) -> None:
    in_hand = submitting(ledger)
    producer.cancel("a")
    assert isinstance(ledger.transitions.advance(in_hand, SENDING), LostRace)


def test_a_job_at_the_vendor_keeps_its_slot_and_shows_at_once_that_it_is_to_be_canceled(
    producer: Producer, ledger: Ledger
) -> None:
    job = moved(ledger, submitting(ledger), SENDING, ACCEPTED)
    asked = producer.cancel("a")
    assert (asked.done, asked.charged, asked.job.canceling) == (False, True, Canceling.DROP)
    assert ledger.jobs.get("a") == job.model_copy(update={"canceling": Canceling.DROP})
    assert ledger.limits.slots().in_flight == ("a",)


@pytest.mark.parametrize("how", list(Canceling))
@pytest.mark.parametrize("end", [State.FAILED, State.TIMED_OUT])
def test_it_ends_canceled_when_the_vendor_is_done(
    producer: Producer, ledger: Ledger, session: JobSession, end: State, how: Canceling
) -> None:
    in_hand = moved(ledger, submitting(ledger), SENDING, ACCEPTED)
    producer.cancel("a", keep_result=how is Canceling.KEEP)
    ended = session.writes.advance(in_hand, Change(to=end, count={f"finished.{end}": 1}))  # read before it was canceled
    assert isinstance(ended, Job)
    assert (ended.state, ledger.jobs.get("a").state, ledger.limits.slots().in_flight) == (
        State.CANCELED,
        State.CANCELED,
        (),
    )
    assert ledger.stats.counters()["finished.CANCELED"] == 1
    assert producer.cancel("a").charged is True


def test_a_move_of_somebody_who_does_not_know_of_it_is_not_written(producer: Producer, ledger: Ledger) -> None:
    in_hand = moved(ledger, submitting(ledger), SENDING, ACCEPTED)
    producer.cancel("a")
    answer = ledger.transitions.advance(in_hand, Change(to=State.STORING, due_in=1))
    assert answer == CancelRequested(canceling=Canceling.DROP)


def test_a_result_that_is_dropped_is_never_fetched(producer: Producer, ledger: Ledger, session: JobSession) -> None:
    in_hand = moved(ledger, submitting(ledger), SENDING, ACCEPTED)
    producer.cancel("a")
    answer = session.writes.advance(in_hand, Change(to=State.STORING, due_in=15))
    assert isinstance(answer, CanceledInstead)
    assert answer.job == ledger.jobs.get("a")
    assert (ledger.jobs.get("a").state, ledger.limits.slots().in_flight) == (State.CANCELED, ())


def test_a_paid_call_under_way_is_settled_first(producer: Producer, ledger: Ledger, session: JobSession) -> None:
    in_hand = moved(ledger, submitting(ledger), SENDING)
    assert producer.cancel("a").charged is None
    running = session.writes.advance_until_written(in_hand, ACCEPTED)
    assert isinstance(running, Job)
    assert (running.state, running.canceling) == (State.RUNNING, Canceling.DROP)
    assert producer.cancel("a").charged is True


def test_a_paid_call_that_provably_did_not_run_ends_it_uncharged(
    producer: Producer, ledger: Ledger, session: JobSession, time: Time
) -> None:
    in_hand = moved(ledger, submitting(ledger), SENDING)
    producer.cancel("a")
    assert isinstance(session.writes.advance(in_hand, NOT_SENT), CanceledInstead)
    assert (ledger.jobs.get("a").state, spent(ledger, time)) == (State.CANCELED, 0)
    assert producer.cancel("a").charged is False
    assert ledger.limits.slots().trips == 1  # the vendor's 429 counts all the same


def test_a_held_job_ends_when_its_slot_is_let_go(
    producer: Producer, ledger: Ledger, session: JobSession, time: Time
) -> None:
    in_hand = moved(ledger, submitting(ledger), SENDING)
    producer.cancel("a")
    assert isinstance(session.writes.advance(in_hand, HELD), Job)
    assert ledger.limits.slots().in_flight == ("a",)
    with pytest.raises(NotPossible, match="to be canceled"):
        producer.recovery.replay("a", Step.SUBMIT, accept_charge=True)
    time.pass_(50)
    [message] = ledger.transitions.claim(ROUTES).messages
    assert (message.step, message.job_id) == (Step.SUBMIT, "a")
    assert ledger.limits.slots().in_flight == ()


def test_a_held_job_without_a_slot_is_canceled_at_once(producer: Producer, ledger: Ledger, time: Time) -> None:
    moved(ledger, submitting(ledger), SENDING, HELD)
    time.pass_(50)
    ledger.transitions.claim(ROUTES)
    ended = producer.cancel("a")
    assert (ended.job.state, ended.charged) == (State.CANCELED, None)


def test_canceling_twice_is_canceling_once_and_the_last_word_on_the_result_counts(
    producer: Producer, ledger: Ledger
) -> None:
    moved(ledger, submitting(ledger), SENDING, ACCEPTED)
    producer.cancel("a")
    producer.cancel("a")
    assert [event.name for event in ledger.jobs.events("a")].count("cancel requested") == 1
    assert producer.cancel("a", keep_result=True).job.canceling is Canceling.KEEP


def test_a_job_that_has_ended_otherwise_is_a_sentence(producer: Producer, ledger: Ledger) -> None:
    moved(ledger, submitting(ledger), SENDING, ACCEPTED, Change(to=State.FAILED))
    with pytest.raises(NotPossible, match="it is FAILED; there is nothing to cancel"):
        producer.cancel("a")
    with pytest.raises(JobNotFound):
        producer.cancel("missing")


def test_the_whole_way_with_a_worker_that_dies_meanwhile(installation: Installation, receiver: Receiver) -> None:
    installation.vendor.control.change(service_time="fixed:3600")
    installation.more |= {"SWAPLINE_RESCUE_AFTER": "1", "SWAPLINE_POLL_MAX_INTERVAL": "1"}
    photograph = installation.store.parent / "me.jpg"
    photograph.write_bytes(sample_photographs()[0])
    made = installation.cli(
        *("enqueue", str(photograph), "--gender", "0", "--filter-id", "12", "--webhook-url", receiver.url, "--json")
    )
    job_id = json.loads(made.stdout)["job_id"]
    producer = installation.producer()
    with installation.worker() as worker:
        waited_for(lambda: producer.get(job_id).state is State.RUNNING)
        canceled = json.loads(installation.cli("jobs", "cancel", job_id, "--keep-result", "--json").stdout)
        assert (canceled["state"], canceled["canceling"], canceled["charged"]) == ("RUNNING", "keep", True)
        assert "(canceling)" in installation.cli("jobs", "show", job_id).stdout
        worker.kill()
    installation.vendor.control.finish()
    with installation.worker():
        job = producer.wait(job_id, timeout=60)
        _, event = receiver.next()
    assert (job.state, job.failure_code, job.credits, len(job.images)) == (State.CANCELED, FailureCode.CANCELED, 2, 1)
    assert (event.type, event.data.credits, len(event.data.images)) == ("swap.canceled", 2, 1)
    again = installation.cli("jobs", "cancel", job_id)
    assert (again.returncode, again.stdout) == (0, f"{job_id} is CANCELED; it was charged\n")
