"""Whatever happens in whatever order, the ledger's promises hold: a state machine looks for a counterexample.

Real steps and real Lua scripts on a real server; what is drawn is what happens: which message comes, how often and in
which order, where a worker stops for ever, how the vendor, the store and the receiver answer, how time moves.
Runs are the same each time; `--hypothesis-seed=N` looks elsewhere. A failure prints the story that leads to it.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, cast

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from support.ledgers.small_world import (
    GOOD,
    POLL_ANSWERS,
    SUBMIT_ANSWERS,
    Order,
    SmallWorld,
    WatchedLedger,
    WatchedTransitions,
    pictures_of,
)
from support.redis.fixtures import Time, new_job
from swapline_producer.client.cancel import cancel
from swapline_producer.contract import Job, LinkedImage, Notification, Priority, State, Step, StepMessage
from swapline_producer.contract.accounts import Limits
from swapline_producer.errors import NotPossible, StorageUnavailable
from swapline_producer.ledger import connect
from swapline_producer.ledger.jobs.reader import Jobs
from swapline_producer.operations.recovery import Recovery
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.errors import WebhookFailed

if TYPE_CHECKING:
    import redis

    from swapline_producer.contract.answers import Advanced, CancelRequested, Claimed, LostRace, Opened
    from swapline_producer.contract.changes import Change
    from swapline_producer.storage import Storage
    from swapline_workers.local.valkey.server import EmbeddedValkey

BATCHES = 5
"""At most: one meets every state, or the next one is drawn."""

EXAMPLES = 160
"""About fifteen seconds; with fewer, some orders of events meet no job that failed."""

JOBS = 4
"""More than there are slots, few enough that they meet."""

FEW = 2
"""Jobs where a counterexample is wanted: two workers then meet at one job more often."""

HANDS = 4
"""Halted workers at a time."""

ROUNDS = 200
"""Rounds of the last phase in which every job must come to rest; the longest webhook schedule takes ten."""

NUMBER = st.integers(0, 1000)
"""Which message, worker or job: taken modulo how many there are."""

ORDERS = st.builds(
    Order,
    kill=st.sampled_from([False, False, False, True]),
    submit=st.sampled_from(["accepted"] * 4 + [*SUBMIT_ANSWERS]),  # most of what can happen follows it
    poll_answer=st.sampled_from(["failed", "waits", "waits", *POLL_ANSWERS]),
    webhook=st.sampled_from([204, WebhookFailed("500", status=500), WebhookFailed("410", status=410, gone=True)]),
)


OTHER_EVENTS = (
    *("lose", "time", "time", "step back", "renew", "release", "store", "slots", "person", "person"),
    *("restart", "sweep"),
)
"""What happens beside the work; what stands twice happens more often."""


class LedgerMachine(RuleBasedStateMachine):
    """What can happen to an installation, and what must hold all the same."""

    url: str
    moves: type[WatchedTransitions] = WatchedTransitions
    most_jobs = JOBS
    seen: ClassVar[set[str]]
    """The states that jobs were seen in, over all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.client = connect(self.url)
        self.ledger = WatchedLedger(self.client, f"m{secrets.token_hex(6)}", clock=self.time, moves=self.moves)
        self.world = SmallWorld(self.ledger, self.time)
        self.recovery = Recovery(self.ledger, self.world.bag, cast("Storage", self.world.store))
        self.jobs: list[str] = []
        self.turns: dict[str, int] = {}
        self.ends: dict[str, str] = {}
        self.replays: dict[str, int] = {}
        self.taken_up: Counter[str] = Counter()
        self.entitled: set[str] = set()
        self.latest = self.time()
        self.broken = False
        self.limit = 2
        self.set_limit(self.limit)

    # -- what can happen --------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.jobs) < self.most_jobs)
    @rule(
        priority=st.sampled_from(Priority),
        tenant=st.sampled_from("ab"),
        hook=st.sampled_from([None, "https://shop.example/hook"]),
    )
    def a_job_comes(self, priority: Priority, tenant: str, hook: str | None) -> None:
        job_id = f"j{len(self.jobs)}"
        image = LinkedImage(url=f"https://pictures.example/{job_id}")
        new = new_job(job_id, queue_ttl=150, image=image, priority=priority, tenant=tenant, webhook_url=hook)
        accepted = self.ledger.intake.accept(new)
        self.jobs.append(job_id)
        self.replays[job_id] = 0
        self.world.bag.send(accepted.messages)

    @rule(seconds=st.sampled_from([0.0, 0.5, 16.0, 16.0, 60.0, 60.0]))
    def a_clock_ticks_after(self, seconds: float) -> None:
        """After half a second it is another process's: its claim does not write what this one has polled."""
        self.time.pass_(seconds)
        other = seconds == 0.5
        claimed = self.ledger.transitions.claim(ROUTES) if other else self.world.session.claim()
        self.world.bag.send(claimed.messages)

    @precondition(lambda self: self.world.bag.messages)
    @rule(number=NUMBER, keep=st.sampled_from([False, False, False, True]), order=ORDERS)
    def a_message_is_worked_on(self, number: int, order: Order, *, keep: bool) -> None:
        self.world.work(self._message(number, keep=keep), order if not order.kill else GOOD)

    @precondition(lambda self: self.world.bag.messages and len(self.world.hands) < HANDS)
    @rule(number=NUMBER, workers=st.sampled_from([1, 1, 2]))
    def workers_take_a_message(self, number: int, workers: int) -> None:
        message = self._message(number, keep=False)
        for _ in range(workers):
            self.world.begin(message)

    @precondition(lambda self: self.world.hands)
    @rule(number=NUMBER, order=ORDERS)
    def a_halted_worker_goes_on_or_dies(self, number: int, order: Order) -> None:
        self.world.go_on(number % len(self.world.hands), order)

    @precondition(lambda self: self.world.hands)
    @rule(orders=st.lists(st.tuples(NUMBER, ORDERS), min_size=2, max_size=6))
    def halted_workers_go_on_in_turns(self, orders: list[tuple[int, Order]]) -> None:
        for number, order in orders:
            if self.world.hands:
                self.world.go_on(number % len(self.world.hands), order)
                self.promises_hold()

    @rule(what=st.sampled_from(OTHER_EVENTS), number=NUMBER)
    def something_else_happens(self, what: str, number: int) -> None:
        if what == "lose" and self.world.bag.messages:
            self._message(number, keep=False)
        elif what == "slots":
            self.set_limit(1 + number % 3)
        elif what in {"store", "restart", "sweep"}:
            self._something_happens_to_the_pictures(what, number)
        elif what == "time":
            self.time.pass_(number / 10)
        elif what == "step back":
            self.time.pass_(-number)
        elif what == "renew":
            self.ledger.transitions.renew(self.world.session.leases.all())
        elif what == "release":
            self.ledger.transitions.release(self.world.session.leases.all())
        elif what == "person" and self.jobs:
            self._a_person_decides(self.jobs[number % len(self.jobs)], number % 7)

    @precondition(lambda self: len(self.jobs) == self.most_jobs)
    @rule(number=NUMBER, keep_result=st.booleans())
    def a_job_is_canceled(self, number: int, *, keep_result: bool) -> None:
        with suppress(NotPossible):
            cancel(self.ledger, self.world.bag, self.jobs[number % len(self.jobs)], keep_result=keep_result)

    def _something_happens_to_the_pictures(self, what: str, number: int) -> None:
        if what == "store":
            self.world.store.broken = number % 2 == 0
        elif what == "restart":
            self.world.forget_pictures()
        else:
            with suppress(StorageUnavailable):
                self.world.sweep.all_due()

    def _a_person_decides(self, job_id: str, choice: int) -> None:
        was = self.ledger.jobs.get(job_id).state
        with suppress(NotPossible, StorageUnavailable):
            if choice < 2:
                self.recovery.resolve(job_id, f"{job_id}-found")
                return
            step = (Step.SUBMIT, Step.SUBMIT, Step.NOTIFY, Step.POLL, Step.FINALIZE)[choice - 2]
            now = self.recovery.replay(job_id, step, accept_charge=True).state
            self.replays[job_id] += step is Step.SUBMIT
            if was.finished and not now.finished:
                self.taken_up[was] += 1
                del self.ends[job_id]

    # -- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        with self.client.pipeline(transaction=False) as pipe:
            found = Snapshot(pipe, self.ledger.prefix, self.jobs)
        self.broken = True
        self._each_job_that_is_not_at_rest_is_due_once(found)
        self._slots_are_held_by_those_at_the_vendor(found)
        self._slots_are_only_given_below_the_limit(found)
        self._the_census_is_a_recount(found)
        self._counters_are_a_recount(found)
        self._the_meter_is_a_recount(found)
        self._what_has_ended_stays_as_it_ended(found)
        self._turns_only_grow(found)
        self._the_line_holds_who_was_lined_up(found)
        self._nothing_is_sent_twice_without_proof_or_a_person(found)
        self._results_are_whole_and_the_jobs_own(found)
        self.broken = False

    def _each_job_that_is_not_at_rest_is_due_once(self, found: Snapshot) -> None:
        restless = {job_id for job_id, job in found.jobs.items() if not at_rest(job)}
        assert set(found.due) == restless

    def _slots_are_held_by_those_at_the_vendor(self, found: Snapshot) -> None:
        must = {job_id for job_id, job in found.jobs.items() if job["state"] in {State.SUBMITTING, State.RUNNING}}
        held = {job_id for job_id, job in found.jobs.items() if job["state"] == State.HELD and job["slot"] == "1"}
        assert set(found.slots) == must | held
        assert {job_id for job_id, job in found.jobs.items() if job.get("slot") == "1"} == must | held

    def _slots_are_only_given_below_the_limit(self, found: Snapshot) -> None:
        self.ledger.notes.at_the_vendor &= set(found.slots)
        given = set(found.slots) - self.ledger.notes.at_the_vendor
        assert len(given) <= self.limit or given <= self.entitled, "a slot above the limit"
        self.entitled = given

    def _the_census_is_a_recount(self, found: Snapshot) -> None:
        recount = {state: {job for job, has in found.jobs.items() if has["state"] == state} for state in State}
        self.seen.update(job["state"] for job in found.jobs.values())
        assert found.census == recount

    def _counters_are_a_recount(self, found: Snapshot) -> None:
        recount = {
            counter: sum(int(job.get(of_each, 0)) for job in found.jobs.values())
            for counter, of_each in (("attempts", "attempts"), ("polls", "polls"), ("credits", "credits"))
        }
        recount["polls"] += sum(polls_before(log) for log in found.logs.values())
        assert {name: int(found.counters.get(name, 0)) for name in recount} == recount, "an update was lost"
        ended = {state: len(jobs) + self.taken_up[state] for state, jobs in found.census.items() if state.finished}
        assert {state: int(found.counters.get(f"finished.{state}", 0)) for state in ended} == ended

    def _the_meter_is_a_recount(self, found: Snapshot) -> None:
        """The metrics of now agree with the jobs."""
        jobs, meter = found.jobs.values(), Counter({name: int(text) for name, text in found.meter.items()})
        queued = Counter(job["priority"] for job in jobs if job["state"] == State.QUEUED)
        assert {priority: meter[f"waiting:{priority}"] for priority in Priority} == {p: queued[p] for p in Priority}
        assert meter["webhooks_pending"] == sum(job.get("notification") == Notification.PENDING for job in jobs)
        assert meter["polls_begun"] >= self.world.vendor.polls
        counts = Counter({name: int(text) for name, text in found.counters.items()})
        late = meter["call:resolved"] - counts["resolved"]
        settled = counts["submitted"] - late + sum(meter[f"call:{how}"] for how in ("uncharged", "refused", "unknown"))
        assert counts["attempts"] == settled + sum(job.get("attempt_open") == "1" for job in jobs)
        assert 2 * (counts["submitted"] + counts["resolved"]) == counts["credits"]
        used = int(found.level["now"].split()[0]) if found.level else 0
        assert used == len(found.slots), "the meter does not know who has a slot"

    def _what_has_ended_stays_as_it_ended(self, found: Snapshot) -> None:
        now = {job_id: job["state"] for job_id, job in found.jobs.items() if State(job["state"]).finished}
        assert self.ends.items() <= now.items()
        self.ends = now

    def _turns_only_grow(self, found: Snapshot) -> None:
        now = {job_id: int(job["version"]) for job_id, job in found.jobs.items()}
        assert all(now[job_id] >= version for job_id, version in self.turns.items())
        self.turns = now

    def _the_line_holds_who_was_lined_up(self, found: Snapshot) -> None:
        queued = {job_id for job_id, job in found.jobs.items() if job["state"] == State.QUEUED}
        self.ledger.notes.lined_up &= queued
        self.latest = max(self.latest, self.time())  # time that is set back makes no job younger
        in_time = {
            job_id for job_id in self.ledger.notes.lined_up if self.latest < int(found.jobs[job_id]["queue_until"])
        }
        assert len(found.line) == len(set(found.line))
        assert set(found.refused) <= queued
        waiting = {*found.line, *found.refused}
        assert in_time <= waiting <= self.ledger.notes.lined_up  # whose time is over may have left it already

    def _nothing_is_sent_twice_without_proof_or_a_person(self, found: Snapshot) -> None:
        for job_id, log in found.logs.items():
            assert attempts_without_proof(log) <= 1, f"{job_id} was sent again: {log}"
            assert self.world.vendor.charged[job_id] <= 1 + self.replays[job_id], f"{job_id} was paid twice: {log}"

    def _results_are_whole_and_the_jobs_own(self, found: Snapshot) -> None:
        objects = self.world.store.objects()
        for key, data in objects.items():
            job_id, name = key.split("/")[-2:]
            assert name == "receipt.json" or data == pictures_of(job_id)[int(name[0])], f"{key} is another's"
        for job_id, job in found.jobs.items():
            if job["state"] == State.SUCCEEDED:
                images = json.loads(job["images"])
                assert len(images) == 2
                folder = images[0]["key"].rpartition("/")[0]
                assert {f"{folder}/receipt.json", *(image["key"] for image in images)} <= set(objects)
                assert folder.rpartition("/")[2] == job_id

    def _nothing_is_left_of_jobs_without_pictures(self, found: Snapshot) -> None:
        self.world.sweep.all_due()
        with_pictures = {job_id for job_id, job in found.jobs.items() if job.get("images", "[]") != "[]"}
        assert {key.split("/")[-2] for key in self.world.store.objects()} == with_pictures

    # -- the end ----------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if self.jobs and not self.broken:  # what follows a broken promise would hide it
                self._every_job_can_still_end()
        finally:
            self.world.kill_all()
            self.client.delete(*self.client.keys(f"{self.ledger.prefix}:*"))
            self.client.close()

    def _every_job_can_still_end(self) -> None:
        """Everybody works and time passes: each job comes to rest, or waits for a person."""
        self.world.kill_all()
        self.world.store.broken = False
        for _ in range(ROUNDS):
            claimed = self.world.session.claim()
            self.world.bag.send(claimed.messages)
            while self.world.bag.messages:
                self.world.work(self._message(0, keep=False))
            self.promises_hold()
            with self.client.pipeline(transaction=False) as pipe:
                found = Snapshot(pipe, self.ledger.prefix, self.jobs)
            if all(at_rest(job) or waits_for_a_person(job) for job in found.jobs.values()):
                self._nothing_is_left_of_jobs_without_pictures(found)
                return
            soonest = min(at for job_id, at in found.due.items() if not waits_for_a_person(found.jobs[job_id]))
            self.time.at = max(self.time.at, min(soonest, claimed.next_at or soonest)) + 1
        raise AssertionError(f"some jobs never end: {found.jobs}")

    # -- inside -----------------------------------------------------------------------------------------------

    def set_limit(self, limit: int) -> None:
        self.limit = limit
        self.ledger.limits.configure(Limits(max_in_flight=limit, rescue_after=15))

    def _message(self, number: int, *, keep: bool) -> Any:
        bag = self.world.bag.messages
        return bag[number % len(bag)] if keep else bag.pop(number % len(bag))


class Snapshot:
    """Everything that the ledger has of these jobs, read in one round trip."""

    def __init__(self, pipe: redis.client.Pipeline, prefix: str, jobs: list[str]) -> None:
        for job_id in jobs:
            pipe.hgetall(f"{prefix}:job:{job_id}")
            pipe.lrange(f"{prefix}:log:{job_id}", 0, -1)
        pipe.zrange(f"{prefix}:due", 0, -1, withscores=True)
        pipe.zrange(f"{prefix}:slots", 0, -1)
        pipe.zrange(f"{prefix}:refused", 0, -1)
        for name in ("count", "meter", "level"):
            pipe.hgetall(f"{prefix}:{name}")
        for state in State:
            pipe.zrange(f"{prefix}:state:{state}", 0, -1)
        for priority in Priority:
            for tenant in "ab":
                pipe.zrange(f"{prefix}:line:{priority}:{tenant}", 0, -1)
        answers = iter(pipe.execute())
        self.jobs: dict[str, dict[str, str]] = {}
        self.logs: dict[str, list[str]] = {}
        for job_id in jobs:
            self.jobs[job_id] = next(answers)
            self.logs[job_id] = next(answers)
        self.due = {job_id: int(at) for job_id, at in next(answers)}
        self.slots: list[str] = next(answers)
        self.refused: list[str] = next(answers)
        self.counters: dict[str, str] = next(answers)
        self.meter: dict[str, str] = next(answers)
        self.level: dict[str, str] = next(answers)
        self.census = {state: set(next(answers)) for state in State}
        self.line = [job_id for answer in answers for job_id in answer]


def polls_before(log: list[str]) -> int:
    """Looks at submissions of a job before its last."""
    return sum(json.loads(line)["data"].get("polls", 0) for line in log if '"name":"replayed"' in line)


def at_rest(job: dict[str, str]) -> bool:
    return State(job["state"]).finished and job.get("notification") != Notification.PENDING


def waits_for_a_person(job: dict[str, str]) -> bool:
    return job["state"] == State.HELD and job.get("notification") != Notification.PENDING


def attempts_without_proof(log: list[str]) -> int:
    """The most attempts in a row between two proofs that nothing was submitted (or two decisions of a person)."""
    most = row = 0
    for line in log:
        if '"name":"attempt"' in line:
            row += 1
            most = max(most, row)
        elif '"name":"not submitted"' in line or '"name":"replayed"' in line:
            row = 0
    return most


def runs(examples: int, *phases: Phase, same: bool = True) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40,  # enough for a job's whole life among others
        derandomize=same,
        deadline=None,  # a busy machine is no counterexample
        database=None,
        phases=phases,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def machine_of(valkey: EmbeddedValkey, moves: type[WatchedTransitions], jobs: int = JOBS) -> type[LedgerMachine]:
    own = {"url": valkey.url, "moves": moves, "most_jobs": jobs, "seen": set()}
    return type("LedgerMachine", (LedgerMachine,), own)


def test_no_order_of_events_breaks_a_promise(valkey: EmbeddedValkey, request: pytest.FixtureRequest) -> None:
    same = request.config.getoption("--hypothesis-seed") is None
    found = runs(EXAMPLES, Phase.generate, Phase.shrink, same=same)
    machine = machine_of(valkey, WatchedTransitions)
    for number in range(BATCHES):
        sample = seed(number)(machine) if same else machine
        run_state_machine_as_test(sample, settings=found)
        if machine.seen == set(State) or not same:  # what other seeds meet is theirs
            return
    assert machine.seen == set(State)


def _read(moves: WatchedTransitions, job_id: str) -> Job:
    return Jobs(moves._scripts).get(job_id)


class WithoutFencingOfMessages(WatchedTransitions):
    """A message is worked on whatever its version, and a move is written after any other."""

    def open(self, job_id: str, version: int) -> Opened | None:
        return super().open(job_id, _read(self, job_id).version or version)

    def write(self, job: Job, change: Change, token: str, after: str) -> Advanced | LostRace | CancelRequested:  # noqa: ARG002 -- it fences, too
        now = _read(self, job.job_id)
        return super().write(job.model_copy(update={"version": now.version, "state": now.state}), change, token, "")


class WithoutRescue(WatchedTransitions):
    """What was sent once is not sent again."""

    def claim(self, *arguments: Any, **more: Any) -> Claimed:
        claimed = super().claim(*arguments, **more)
        for message in claimed.messages:
            self._scripts.client.zrem(f"{self._scripts.prefix}:due", message.job_id)
        return claimed


class WithoutTheAttemptsRecord(WatchedTransitions):
    """A job does not know that it was being sent."""

    def write(self, job: Job, change: Change, token: str, after: str) -> Advanced | LostRace | CancelRequested:
        fields = {name: value for name, value in change.fields.items() if name != "attempt_open"}
        return super().write(job, change.model_copy(update={"fields": fields}), token, after)


class WithALeakOfSlots(WatchedTransitions):
    """A slot that is given is sometimes given twice."""

    def line_up(self, job: Job) -> tuple[StepMessage, ...] | None:
        granted = super().line_up(job)
        if granted == ():
            self._scripts.client.zpopmin(f"{self._scripts.prefix}:slots")
        return granted


@pytest.mark.parametrize("kind", [WithoutFencingOfMessages, WithoutRescue, WithoutTheAttemptsRecord, WithALeakOfSlots])
def test_a_ledger_with_a_part_switched_off_is_found_out(valkey: EmbeddedValkey, kind: type[WatchedTransitions]) -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine_of(valkey, kind, FEW), settings=runs(6000, Phase.generate))
