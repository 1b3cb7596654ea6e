from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.redis.fixtures import new_job
from swapline_producer.contract import FailureCode, Job, Notification, State, Step, StepMessage, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced, LostRace
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_producer.errors import IdempotencyConflict, JobNotFound, LedgerUnavailable
from swapline_producer.ledger import Ledger, connect, new_token
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from support.redis.fixtures import Time


def opened(ledger: Ledger, job_id: str, version: int) -> Job:
    found = ledger.transitions.open(job_id, version)
    assert found is not None
    return found.job


def accepted(ledger: Ledger, *job_ids: str, **values: Any) -> list[Job]:
    for job_id in job_ids:
        ledger.intake.accept(new_job(job_id, **values))
    return [opened(ledger, job_id, 1) for job_id in job_ids]


def with_slot(ledger: Ledger, job_id: str, **values: Any) -> Job:
    [queued] = accepted(ledger, job_id, **values)
    assert ledger.transitions.line_up(queued) == (StepMessage(step=Step.SUBMIT, job_id=job_id, version=2),)
    return opened(ledger, job_id, 2)


def moved(ledger: Ledger, job: Job, change: Change) -> Job:
    advanced = ledger.transitions.advance(job, change)
    assert isinstance(advanced, Advanced)
    return advanced.job


def running(ledger: Ledger, job_id: str) -> Job:
    change = Change(to=State.RUNNING, fields={"vendor_job_id": f"v-{job_id}"}, due_in=1, close_breaker=True)
    return moved(ledger, with_slot(ledger, job_id), change)


def due(ledger: Ledger) -> dict[str, int]:
    pairs = cast("list[tuple[str, float]]", ledger.client.zrange(f"{ledger.prefix}:due", 0, -1, withscores=True))
    return {job_id: int(at) for job_id, at in pairs}


def test_an_accepted_job_is_queued_due_and_logged(ledger: Ledger, time: Time) -> None:
    assert ledger.intake.accept(new_job("a"))[:2] == ("a", True)
    job = ledger.jobs.get("a")
    assert (job.state, job.version, job.created_at, job.queue_until) == (State.QUEUED, 1, time.at, time.at + 100_000)
    assert due(ledger) == {"a": time.at + 15_000}
    assert [event.name for event in ledger.jobs.events("a")] == ["queued"]


def test_the_log_of_a_job_has_its_last_500_lines(ledger: Ledger) -> None:
    job = running(ledger, "a")
    for number in range(520):
        job = moved(ledger, job, Change(to=State.RUNNING, due_in=1, note=f"{number}"))
    names = [event.name for event in ledger.jobs.events("a")]
    assert (len(names), names[0], names[-1]) == (500, "20", "519")


@pytest.mark.parametrize(("attempts", "spent"), [(0, 2), (1, 0)], ids=["forgotten", "put back into the line"])
def test_credits_of_a_call_that_the_ledger_has_forgotten_count_as_spent_when_its_reply_is_written(
    ledger: Ledger, time: Time, attempts: int, spent: int
) -> None:
    """Where the ledger knows the attempt, its slot was counted, and is still."""
    [job] = accepted(ledger, "a")
    ledger.client.hset(f"{ledger.prefix}:job:a", "attempts", attempts)
    paid = job.model_copy(update={"attempts": 1})
    moved(ledger, paid, transitions.submitted(paid, "v-a", "IN_QUEUE", poll_in=1))
    day = time.at // 86_400_000
    assert int(ledger.client.hget(f"{ledger.prefix}:spent:{day}", "tenant:default") or 0) == spent


@pytest.mark.parametrize("decided", ["held", "failed"])
def test_credits_of_a_forgotten_call_whose_outcome_is_unknown_count_as_spent(
    ledger: Ledger, time: Time, decided: str
) -> None:
    [job] = accepted(ledger, "a")
    if decided == "held":
        change = transitions.held(job, FailureCode.SUBMIT_UNKNOWN, "cut", {}, rescue_after=15)
    else:
        change = transitions.failed(job, FailureCode.SUBMIT_UNKNOWN, "cut", rescue_after=15)
    lost = {"attempts": 1, "run_until": time.at + 60_000}
    change = change.model_copy(update={"fields": {**change.fields, **lost}})
    written = moved(ledger, job.model_copy(update={"slot": True}), change)
    assert (written, written.state, written.slot) == (ledger.jobs.get("a"), change.to, decided == "held")
    assert int(ledger.client.hget(f"{ledger.prefix}:spent:{time.at // 86_400_000}", "tenant:default") or 0) == 2


def test_accepting_twice_is_accepting_once(ledger: Ledger) -> None:
    assert ledger.intake.accept(new_job("a"))[:2] == ledger.intake.accept(new_job("a"))[:2] == ("a", True)
    assert ledger.stats.counters() == {"accepted": 1, "repeated": 1}


def test_an_idempotency_key_gives_the_first_job_again(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    assert ledger.intake.accept(new_job("b", idempotency_key="k"))[:2] == ("a", False)
    assert ledger.intake.accept(new_job("c", idempotency_key="k", tenant="other"))[:2] == ("c", True)
    assert ledger.stats.census()[State.QUEUED] == 2


def test_an_idempotency_key_with_another_request_is_refused(ledger: Ledger) -> None:
    ledger.intake.accept(new_job("a", idempotency_key="k"))
    with pytest.raises(IdempotencyConflict, match="belongs to job a"):
        ledger.intake.accept(new_job("b", idempotency_key="k", filter_id=13))


def test_a_message_of_another_version_is_stale(ledger: Ledger) -> None:
    accepted(ledger, "a")
    assert ledger.transitions.open("a", 2) is None
    assert ledger.transitions.open("missing", 1) is None


def test_a_job_that_is_not_there_is_a_clear_sentence(ledger: Ledger) -> None:
    with pytest.raises(JobNotFound, match="no job 'x'"):
        ledger.jobs.get("x")


def test_only_one_of_two_moves_at_the_same_version_is_written(ledger: Ledger) -> None:
    job = running(ledger, "a")
    polled = Change(to=State.RUNNING, fields={"polls": 1}, due_in=1)
    assert isinstance(ledger.transitions.advance(job, polled), Advanced)
    assert isinstance(ledger.transitions.advance(job, Change(to=State.STORING, due_in=1)), LostRace)
    assert ledger.jobs.get("a").state is State.RUNNING


def test_a_move_whose_reply_was_lost_counts_as_written_when_it_is_sent_again(ledger: Ledger) -> None:
    job, token = running(ledger, "a"), new_token()
    change = Change(to=State.STORING, fields={"polls": 1}, due_in=1, note="completed")
    first, again = (
        ledger.transitions.advance(job, change, token=token),
        ledger.transitions.advance(job, change, token=token),
    )
    assert isinstance(first, Advanced)
    assert isinstance(again, Advanced)
    assert first.job == again.job == ledger.jobs.get("a")
    assert [event.name for event in ledger.jobs.events("a")].count("completed") == 1


def test_what_came_of_an_attempt_is_not_written_to_another_one_of_the_same_version(ledger: Ledger) -> None:
    """A ledger that lost its last writes counts versions a second time."""
    job = with_slot(ledger, "a")
    attempt = transitions.attempted(job, rescue_after=15)
    lost, made = new_token(), new_token()
    first = ledger.transitions.advance(job, attempt, token=made)
    assert isinstance(first, Advanced)
    reply = transitions.submitted(first.job, "v-a", "IN_QUEUE", poll_in=1)
    assert isinstance(ledger.transitions.advance(first.job, reply, after=lost), LostRace)
    token = new_token()
    written = [ledger.transitions.advance(first.job, reply, token=token, after=made) for _ in range(2)]
    assert [type(answer) for answer in written] == [Advanced, Advanced]


def test_no_attempt_is_written_for_an_account_that_did_not_give_the_slot(ledger: Ledger) -> None:
    """A worker may have a job in memory as it was granted before the ledger lost that, and granted it anew."""
    job = with_slot(ledger, "a")
    ledger.client.hset(f"{ledger.prefix}:job:a", "account", "east")
    attempt = transitions.attempted(job, rescue_after=15)
    assert isinstance(ledger.transitions.advance(job, attempt), LostRace)
    assert isinstance(ledger.transitions.advance(job.model_copy(update={"account": "east"}), attempt), Advanced)


def test_the_returned_job_is_the_one_in_the_ledger(ledger: Ledger) -> None:
    job = with_slot(ledger, "a")
    changes = [
        Change(to=State.SUBMITTING, fields={"attempts": 1, "attempt_open": True}, stamps={"run_until": 50}, due_in=15),
        Change(to=State.HELD, fields={"attempt_open": False, "failure_detail": "?"}, due_by="run_until"),
        Change(
            to=State.RUNNING,
            fields={"failure_detail": None, "vendor_job_id": "v"},
            stamps={"submitted_at": 0},
            due_in=1,
        ),
        Change(to=State.STORING, fields={"retries": 1}, due_in=15),
        Change(to=State.SUCCEEDED, fields={"retries": None, "notification": Notification.PENDING}, due_in=15),
        Change(to=State.SUCCEEDED, fields={"notification": Notification.DELIVERED}),
    ]
    for change in changes:
        job = moved(ledger, job, change)
        assert job == ledger.jobs.get("a")


def test_slots_are_given_up_to_the_limit_and_the_rest_waits(ledger: Ledger) -> None:
    granted = [ledger.transitions.line_up(job) for job in accepted(ledger, "a", "b", "c")]
    assert [len(messages or ()) for messages in granted] == [1, 1, 0]
    assert ledger.limits.slots().in_flight == ("a", "b")


def test_lining_up_twice_takes_one_slot(ledger: Ledger) -> None:
    [job] = accepted(ledger, "a")
    assert ledger.transitions.line_up(job) is not None
    assert ledger.transitions.line_up(job) is None
    assert ledger.limits.slots().in_flight == ("a",)


def test_a_parked_job_is_due_when_its_queue_ttl_is_over(ledger: Ledger, time: Time) -> None:
    for job in accepted(ledger, "a", "b", "c"):
        ledger.transitions.line_up(job)
    assert due(ledger)["c"] == time.at + 100_000
    time.pass_(100)
    assert StepMessage(step=Step.SUBMIT, job_id="c", version=1) in ledger.transitions.claim(ROUTES).messages


def test_a_freed_slot_goes_to_the_next_job_in_the_same_move(ledger: Ledger) -> None:
    first = running(ledger, "a")
    for job in accepted(ledger, "b", "c"):
        ledger.transitions.line_up(job)
    advanced = ledger.transitions.advance(first, Change(to=State.STORING, due_in=15))
    assert isinstance(advanced, Advanced)
    assert advanced.granted == (StepMessage(step=Step.SUBMIT, job_id="c", version=2),)
    assert ledger.limits.slots().in_flight == ("b", "c")


def test_the_line_goes_by_priority_then_fairly_among_tenants_then_by_age(ledger: Ledger, time: Time) -> None:
    ledger.limits.configure(Limits(max_in_flight=1, rescue_after=15))
    last = running(ledger, "first")
    waiting = [
        ("a1", "a", "normal"),
        ("a2", "a", "normal"),
        ("a3", "a", "normal"),
        ("b1", "b", "normal"),
        ("l1", "c", "low"),
        ("h1", "a", "high"),
    ]
    for job_id, tenant, priority in waiting:
        time.pass_(0.001)
        for job in accepted(ledger, job_id, tenant=tenant, priority=priority):
            ledger.transitions.line_up(job)
    order = []
    for _ in waiting:
        advanced = ledger.transitions.advance(last, Change(to=State.FAILED))
        assert isinstance(advanced, Advanced)
        [message] = advanced.granted
        order.append(message.job_id)
        last = opened(ledger, message.job_id, message.version)
    assert order == ["h1", "a1", "b1", "a2", "a3", "l1"]


def test_a_breaker_trip_stops_the_line_and_one_job_probes_first(ledger: Ledger, time: Time) -> None:
    jobs = [with_slot(ledger, "a"), with_slot(ledger, "b")]
    for job in jobs:
        moved(
            ledger,
            job,
            Change(to=State.QUEUED, in_line=True, due_by="queue_until", trip=BreakerTrip(reason="down", wait=4)),
        )
    assert ledger.limits.slots().in_flight == ()
    assert ledger.transitions.claim(ROUTES).next_at == time.at + 8_000  # the second trip in a row doubles the wait
    time.pass_(8)
    [probe] = ledger.transitions.claim(ROUTES).messages
    assert probe.job_id == "a"
    assert ledger.transitions.claim(ROUTES).messages == ()
    advanced = ledger.transitions.advance(
        opened(ledger, "a", probe.version), Change(to=State.RUNNING, due_in=1, close_breaker=True)
    )
    assert isinstance(advanced, Advanced)
    assert [message.job_id for message in advanced.granted] == ["b"]
    assert ledger.limits.slots().trips == 0


def test_calls_that_were_under_way_together_lengthen_the_pause_once(ledger: Ledger, time: Time) -> None:
    trip = BreakerTrip(reason="the key", kind="unauthorized", wait=5)
    refused = Change(to=State.QUEUED, in_line=True, due_by="queue_until", trip=trip)
    jobs = [with_slot(ledger, job_id) for job_id in "ab"]
    time.pass_(0.2)
    for job in jobs:
        moved(ledger, job, refused)
    assert ledger.limits.slots().closed_until == time.at + 5_000
    time.pass_(5)
    [probe] = ledger.transitions.claim(ROUTES).messages
    time.pass_(0.2)
    moved(ledger, opened(ledger, probe.job_id, probe.version), refused)
    assert ledger.limits.slots().closed_until == time.at + 10_000


def test_429_uses_fewer_slots_until_the_cap_has_grown_back(ledger: Ledger, time: Time) -> None:
    running(ledger, "a")
    throttled = with_slot(ledger, "b")
    trip = BreakerTrip(reason="429", wait=1, shrink=True)
    moved(ledger, throttled, Change(to=State.QUEUED, in_line=True, due_by="queue_until", trip=trip))
    time.pass_(20)
    assert ledger.transitions.claim(ROUTES).messages == (StepMessage(step=Step.POLL, job_id="a", version=3),)
    time.pass_(10)
    assert "b" in [message.job_id for message in ledger.transitions.claim(ROUTES).messages]


def test_429_while_others_run_keeps_nobody_waiting_for_their_slots(ledger: Ledger) -> None:
    first, second = running(ledger, "a"), with_slot(ledger, "b")
    trip = BreakerTrip(reason="429", shrink=True)
    moved(ledger, second, Change(to=State.QUEUED, in_line=True, due_by="queue_until", trip=trip))
    assert (ledger.limits.slots().cap, ledger.limits.slots().trips) == (1, 0)
    advanced = ledger.transitions.advance(first, Change(to=State.STORING, due_in=15))
    assert isinstance(advanced, Advanced)
    assert [message.job_id for message in advanced.granted] == ["b"]


def test_what_is_due_is_claimed_once_and_again_after_the_rescue_time(ledger: Ledger, time: Time) -> None:
    running(ledger, "a")
    time.pass_(1)
    poll = StepMessage(step=Step.POLL, job_id="a", version=3)
    assert ledger.transitions.claim(ROUTES).messages == (poll,)
    assert ledger.transitions.claim(ROUTES).messages == ()
    time.pass_(15)
    claimed = ledger.transitions.claim(ROUTES)
    assert (claimed.messages, claimed.rescued) == ((poll,), 1)
    assert ledger.stats.counters()["rescues"] == 1


def test_a_leased_job_is_not_rescued(ledger: Ledger, time: Time) -> None:
    job = running(ledger, "a")
    time.pass_(14)
    assert ledger.transitions.renew([("a", job.version), ("gone", 1)]) == 1
    time.pass_(14)
    assert ledger.transitions.claim(ROUTES).messages == ()


def test_a_renewal_of_another_version_changes_nothing(ledger: Ledger) -> None:
    job = running(ledger, "a")
    before = due(ledger)
    assert ledger.transitions.renew([("a", job.version - 1)]) == 0
    assert due(ledger) == before


def test_nothing_is_sent_again_into_a_long_queue(ledger: Ledger, time: Time) -> None:
    accepted(ledger, "a")
    ledger.client.rpush(Step.SUBMIT.queue(ledger.prefix), *range(30))
    time.pass_(15)
    claimed = ledger.transitions.claim(ROUTES, backlog=10)
    assert (claimed.messages, claimed.postponed) == ((), 1)
    assert due(ledger)["a"] == time.at + 15_000 * 4


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (Change(to=State.RUNNING, due_in=0), Step.POLL),
        (Change(to=State.STORING, due_in=0), Step.FINALIZE),
        (Change(to=State.FAILED, fields={"notification": Notification.PENDING}, due_in=0), Step.NOTIFY),
    ],
)
def test_a_claim_sends_the_step_that_the_state_asks_for(ledger: Ledger, change: Change, step: Step) -> None:
    moved(ledger, running(ledger, "a"), change)
    assert [message.step for message in ledger.transitions.claim(ROUTES).messages] == [step]


def test_a_finished_job_without_a_webhook_has_no_due_entry_no_slot_and_an_end(ledger: Ledger) -> None:
    moved(ledger, running(ledger, "a"), Change(to=State.FAILED))
    assert (due(ledger), ledger.limits.slots().in_flight) == ({}, ())
    assert 0 < ledger.client.ttl(f"{ledger.prefix}:job:a") <= 30 * 86_400


def test_finished_jobs_leave_the_index_with_their_records(ledger: Ledger, time: Time) -> None:
    moved(ledger, running(ledger, "old"), Change(to=State.FAILED))
    time.pass_(20 * 86_400)
    moved(ledger, running(ledger, "new"), Change(to=State.FAILED))
    time.pass_(11 * 86_400)
    ledger.client.delete(f"{ledger.prefix}:trimmed")  # the server's own minute is not over
    ledger.transitions.claim(ROUTES)
    assert ledger.jobs.list_ids(State.FAILED) == ["new"]


def test_a_held_job_keeps_its_slot_until_its_run_timeout(ledger: Ledger, time: Time) -> None:
    job = with_slot(ledger, "a")
    job = moved(ledger, job, Change(to=State.SUBMITTING, stamps={"run_until": 50}, due_in=15))
    moved(ledger, job, Change(to=State.HELD, due_by="run_until"))
    assert ledger.limits.slots().in_flight == ("a",)
    time.pass_(50)
    ledger.transitions.claim(ROUTES)
    assert (ledger.limits.slots().in_flight, ledger.jobs.get("a").slot) == ((), False)
    assert list(due(ledger)) == ["a"]


def test_a_job_that_turns_out_to_be_at_the_vendor_takes_its_slot_back(ledger: Ledger, time: Time) -> None:
    job = with_slot(ledger, "a")
    job = moved(ledger, job, Change(to=State.HELD, stamps={"run_until": 1}, due_by="run_until"))
    time.pass_(1)
    ledger.transitions.claim(ROUTES)
    job = moved(ledger, ledger.jobs.get("a"), Change(to=State.RUNNING, due_in=1))
    assert job.slot
    assert ledger.limits.slots().in_flight == ("a",)


def test_counters_add_up(ledger: Ledger) -> None:
    job = running(ledger, "a")
    for _ in range(3):
        job = moved(ledger, job, Change(to=State.RUNNING, due_in=1, count={"polls": 2}))
    assert ledger.stats.counters()["polls"] == 6


def test_the_census_is_a_recount(ledger: Ledger) -> None:
    for number in itertools.islice(itertools.count(), 5):
        accepted(ledger, f"q{number}")
    moved(ledger, running(ledger, "a"), Change(to=State.FAILED))
    census = ledger.stats.census()
    assert (census[State.QUEUED], census[State.RUNNING], census[State.FAILED]) == (5, 0, 1)
    assert len(ledger.jobs.list_ids(State.QUEUED)) == 5


def test_the_end_of_a_job_is_received(ledger: Ledger) -> None:
    job = running(ledger, "a")
    with ledger.subscriptions.watch("a") as finished:
        moved(ledger, job, Change(to=State.FAILED))
        assert finished(5.0)


def test_every_key_carries_the_prefix(ledger: Ledger) -> None:
    before = {key for key in ledger.client.scan_iter(count=1000) if not key.startswith(f"{ledger.prefix}:")}
    accepted(ledger, "b", idempotency_key="k")
    moved(ledger, running(ledger, "a"), Change(to=State.FAILED, count={"x": 1}, observe={"y": {1: 1.0}}))
    assert {key for key in ledger.client.scan_iter(count=1000) if not key.startswith(f"{ledger.prefix}:")} == before


def test_a_server_that_is_away_is_a_clear_sentence() -> None:
    with pytest.raises(LedgerUnavailable, match="check SWAPLINE_REDIS_URL"):
        Ledger(connect("redis://127.0.0.1:1/0", timeout=0.5)).jobs.get("a")


def test_a_clock_that_is_set_back_makes_nobody_wait_longer(ledger: Ledger, time: Time) -> None:
    running(ledger, "a")
    waiting = with_slot(ledger, "b")
    pause = BreakerTrip(reason="down", wait=4)
    moved(ledger, waiting, Change(to=State.QUEUED, in_line=True, due_by="queue_until", trip=pause))
    ledger.transitions.claim(ROUTES)
    time.pass_(-3600)
    claimed = ledger.transitions.claim(ROUTES)
    assert claimed.messages == ()
    assert claimed.next_at == time.at + 1_000
    time.pass_(1)
    assert [message.job_id for message in ledger.transitions.claim(ROUTES).messages] == ["a"]
    time.pass_(3)
    assert [message.job_id for message in ledger.transitions.claim(ROUTES).messages] == ["b"]


def test_a_clock_that_is_set_forward_brings_what_waits_early_and_loses_nothing(ledger: Ledger, time: Time) -> None:
    running(ledger, "a")
    time.pass_(86_400)
    assert ledger.transitions.claim(ROUTES).messages == (StepMessage(step=Step.POLL, job_id="a", version=3),)


def test_a_job_that_comes_while_no_worker_lives_sends_a_message_of_its_own(ledger: Ledger, time: Time) -> None:
    assert ledger.intake.accept(new_job("a")).messages == (StepMessage(step=Step.SUBMIT, job_id="a", version=1),)
    ledger.transitions.claim(ROUTES)
    time.pass_(3)
    assert ledger.intake.accept(new_job("b")).messages == (StepMessage(step=Step.SUBMIT, job_id="b", version=1),)
    assert (ledger.jobs.get("a").state, ledger.jobs.get("b").state) == (State.QUEUED, State.QUEUED)


def test_a_job_that_comes_while_a_worker_lives_has_a_free_slot_at_once(ledger: Ledger) -> None:
    ledger.transitions.claim(ROUTES)
    assert ledger.intake.accept(new_job("a")).messages == (StepMessage(step=Step.SUBMIT, job_id="a", version=2),)
    assert ledger.jobs.get("a").state is State.SUBMITTING


def test_a_job_that_comes_while_every_slot_is_used_stands_in_line_at_once(ledger: Ledger) -> None:
    first = running(ledger, "a")
    running(ledger, "b")
    ledger.transitions.claim(ROUTES)
    assert ledger.intake.accept(new_job("c")).messages == ()
    assert due(ledger)["c"] == ledger.jobs.get("c").queue_until
    freed = ledger.transitions.advance(first, Change(to=State.STORING, due_in=1))
    assert isinstance(freed, Advanced)
    assert freed.granted == (StepMessage(step=Step.SUBMIT, job_id="c", version=2),)


def test_leasing_a_job_at_once_writes_nothing_and_later_puts_its_rescue_off(ledger: Ledger, time: Time) -> None:
    def writes() -> int:
        return int(ledger.client.info("persistence")["rdb_changes_since_last_save"])

    with_slot(ledger, "a")
    before = writes()
    opened(ledger, "a", 2)
    assert (writes(), due(ledger)["a"]) == (before, time.at + 15_000)
    time.pass_(4)
    opened(ledger, "a", 2)
    assert due(ledger)["a"] == time.at + 15_000


def test_a_poll_is_counted_before_it_is_made_also_one_whose_message_came_twice(ledger: Ledger, time: Time) -> None:
    def begun() -> int:
        return ledger.stats.snapshot().counts.get("polls_begun", 0)

    running(ledger, "a")
    time.pass_(1)
    [message] = ledger.transitions.claim(ROUTES).messages
    assert begun() == 1
    one, other = opened(ledger, "a", message.version), opened(ledger, "a", message.version)
    assert begun() == 1
    polled = Change(to=State.RUNNING, count={"polls": 1}, due_in=1)
    later = moved(ledger, one, polled)
    assert isinstance(ledger.transitions.advance(other, polled), LostRace)
    assert begun() == 2
    opened(ledger, "a", later.version)  # a message that no claim has sent
    assert begun() == 3
    for _ in range(2):  # the worker of the first claim was killed, perhaps after its call
        time.pass_(16)
        ledger.transitions.claim(ROUTES)
    assert begun() == 5
    storing = moved(ledger, later, Change(to=State.STORING, due_in=1))
    time.pass_(1)
    ledger.transitions.claim(ROUTES)
    assert begun() == 5  # a worker that has the pictures makes no call
    first, second = opened(ledger, "a", storing.version), opened(ledger, "a", storing.version)
    assert begun() == 7
    moved(ledger, first, Change(to=State.STORING, count={"polls": 1}, due_in=1))
    late = Change(to=State.STORING, count={"polls": 1}, due_in=1)
    assert isinstance(ledger.transitions.advance(second, late), LostRace)
    assert begun() == 7


def test_a_histogram_keeps_the_sum_of_what_jobs_added_to_it(ledger: Ledger) -> None:
    job = running(ledger, "a")
    for _ in range(3):
        job = moved(ledger, job, Change(to=State.RUNNING, observe={"k": {4: 0.25, 5: 0.75}}, due_in=1))
    assert ledger.stats.histograms(["k"]) == [{4: 0.75, 5: 2.25}]
