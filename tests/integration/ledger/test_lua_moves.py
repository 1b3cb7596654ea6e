"""Each Lua move against a model in plain Python, by random moves, on every kind of server at hand, in both protocols.

`REDIS_SERVERS=/path/to/redis-server-6.2` adds servers.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any

import pytest
import redis

from simulation.mutants import MUTANTS
from support.ledgers.ledger_model import DAY_MS, INPUT_TTL_MS, Model
from support.redis.fixtures import Time, new_job
from support.redis.kinds import KINDS, server_of_kind
from swapline_producer.contract import (
    Canceling,
    FailureCode,
    Job,
    Notification,
    Priority,
    State,
    StepMessage,
    StoredImage,
    transitions,
)
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced, CancelRequested
from swapline_producer.contract.changes import Polled
from swapline_producer.errors import ObjectMissing
from swapline_producer.ledger import Ledger, new_token
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

    from swapline_producer.contract.changes import Change
    from swapline_workers.local.valkey.server import EmbeddedValkey

MOVES = 300
"""Of one story: some dozen jobs from their acceptance to their end."""

STORIES = 6
HOOK = "https://shop.example/hook"
LEASE_S = 30.0
PHOTOGRAPHS = [
    StoredImage(sha256=hashlib.sha256(name).hexdigest(), media_type="image/png", width=8, height=8, size=99)
    for name in (b"one", b"two", b"three")
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.replace("/", " "))
def url(request: pytest.FixtureRequest, valkey: EmbeddedValkey, tmp_path: Path) -> Generator[str]:
    with server_of_kind(request.param, valkey, tmp_path) as found:
        yield found


def changes_of(job: Job, rng: random.Random) -> list[Change]:
    """What the steps may write of a job in this state."""
    t, soon = transitions, rng.random() * 20
    failed = t.failed(job, FailureCode.INVALID_IMAGE, "bad", rescue_after=15)
    submitted = t.submitted(job, f"v-{job.job_id}", "IN_QUEUE", poll_in=soon)
    timed_out = t.timed_out(job, "late", rescue_after=15)
    state = (job.state, job.attempt_open)
    if job.notification is Notification.PENDING and rng.random() < 0.5:
        return [t.notified(job, Notification.DELIVERED, 1, retry_in=None, facts={})]
    changes: dict[tuple[State, bool], list[Change]] = {
        (State.QUEUED, False): [t.canceled_before_submission(job), t.expired(job, rescue_after=15)],
        (State.SUBMITTING, False): [t.attempted(job, rescue_after=15)] * 3 + [t.canceled_before_submission(job)],
        (State.SUBMITTING, True): [
            *[submitted] * 3,
            t.held(job, FailureCode.SUBMIT_UNKNOWN, "?", {}, rescue_after=15),
            failed.model_copy(update={"refund": True}),
            t.requeued(job, "?", {}),
        ],
        (State.RUNNING, False): [
            t.polled(job, "IN_PROGRESS", poll_in=soon, count={}),
            *[t.completed(job, rescue_after=15, service_times={}, detection_delay=0.1)] * 2,
            failed,
            timed_out,
        ],
        (State.STORING, False): [*[t.succeeded(job, (), rescue_after=15)] * 3, failed, timed_out],
        (State.HELD, False): [submitted] if job.slot else [submitted, t.canceled_unsubmitted(job)],
    }
    return changes.get(state, [])


class Story:
    """One ledger and its model, moved in step by a seed."""

    def __init__(self, ledger: Ledger, time: Time, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 -- reproducible, not secret
        self.ledger, self.time = ledger, time
        self.model = Model(cap=2, at=time.at)
        self.seen: set[State] = set()
        self.read: list[Job] = []
        """Jobs as workers have read them, some long ago."""

    def tell(self, moves: int) -> None:
        for _ in range(moves):
            if self.rng.random() < 0.4:
                self.time.pass_(self.rng.choice((0.001, 0.3, 3.0, 16.0, 60.0)))
                self.model.at = self.time.at
            acts = (self.accept, self.claim, self.open, self.line_up, self.renew, self.release, self.cancel, self.sweep)
            act = self.rng.choices((*acts, self.advance), (4, 3, 6, 3, 1, 1, 1, 2, 20))[0]
            act()
            self.compare(act.__name__)

    def accept(self) -> None:
        rng = self.rng
        job_id, key = f"j{rng.randrange(60)}", rng.choice((None, None, f"k{rng.randrange(5)}"))
        spec: dict[str, Any] = {
            "tenant": rng.choice("ab"),
            "priority": rng.choice(list(Priority)),
            "webhook_url": rng.choice((None, HOOK)),
        }
        image = rng.choice((None, *PHOTOGRAPHS))
        spec |= {} if image is None else {"image": image}
        new = new_job(job_id, queue_ttl=rng.choice((20.0, 500.0)), **spec, **({"idempotency_key": key} if key else {}))
        new = new._replace(fingerprint="same", stored_after=self._stored_after(job_id, image))
        known = self.model.jobs.get(job_id)
        queued = Job.model_validate(
            {
                "job_id": job_id,
                "spec": new.spec,
                "state": State.QUEUED,
                "version": 1,
                "created_at": self.time.at,
                "queue_until": self.time.at + round(new.queue_ttl * 1000),
                "run_timeout_ms": round(new.run_timeout * 1000),
            }
        )
        answer = self.model.accept(known or queued, key, new.stored_after)
        if answer is None:
            with pytest.raises(ObjectMissing):
                self.ledger.intake.accept(new)
            return
        expected, created, granted = answer
        accepted = self.ledger.intake.accept(new)
        assert (accepted.job_id, accepted.created) == (expected, created)
        if granted is not None:
            assert moved(accepted.messages) == granted

    def _stored_after(self, job_id: str, image: StoredImage | None) -> int | None:
        """The last deletion that the producer knows of, perhaps an old one; None: it holds the input, or forgot to."""
        if image is None:
            return None
        if self.rng.random() < 0.6:
            return self.rng.choice((self.model.inputs.last, self.model.inputs.last, 0))
        if self.rng.random() < 0.8:
            held = self.ledger.retention.hold_input(image.sha256, job_id)
            there = self.model.inputs.hold(image.sha256, job_id, self.time.at)
            assert (held.wait is None, held.there) == (there is not None, bool(there))
        return None

    def sweep(self) -> None:
        """Take what is due for deletion; a sweeper may die before it confirms it."""
        limit = self.rng.choice((1, 500))
        taken = self.ledger.retention.take_unneeded(lease=LEASE_S, limit=limit)
        expected = self.model.inputs.take(limit, self.time.at + round(LEASE_S * 1000), self.time.at)
        assert taken.names == expected
        if self.rng.random() < 0.7:
            self.ledger.retention.confirm_deleted(taken)
            self.model.inputs.confirm(taken.names, taken.lease, self.time.at)

    def claim(self) -> None:
        limit, polled = self.rng.choice((1, 200)), self._polled()
        claimed = self.ledger.transitions.claim(ROUTES, dispatcher="d", limit=limit, polled=polled)
        assert claimed.polled == self.model.write_polls(polled)
        messages, granted = self.model.claim(ROUTES, limit)
        expected = [*messages, *((job_id, ROUTES[State.SUBMITTING], version) for job_id, version in granted)]
        assert [(message.job_id, message.step, message.version) for message in claimed.messages] == expected

    def open(self) -> None:
        job_id = self._any()
        if job_id is None:
            return
        version = self.model.jobs[job_id].version - self.rng.choice((0, 0, 0, 1))
        opened, expected = self.ledger.transitions.open(job_id, version), self.model.open(job_id, version)
        assert (opened is None) == (expected is None)
        if opened and expected:
            assert facts(opened.job) == facts(expected)
            self.read.append(opened.job)

    def line_up(self) -> None:
        job = self._read()
        if job is None:
            return
        granted, expected = self.ledger.transitions.line_up(job), self.model.line_up(job)
        assert (None if granted is None else moved(granted)) == expected

    def advance(self) -> None:
        job = self._read()
        changes = changes_of(job, self.rng) if job else []
        if job is None or not changes:
            return
        change = transitions.canceled_instead(job, self.rng.choice(changes))
        if not transitions.allows(job.state, change.to):
            return
        answer, expected = self.ledger.transitions.advance(job, change), self.model.advance(job, change)
        if isinstance(answer, Advanced):
            assert isinstance(expected, tuple)
            assert (facts(answer.job), moved(answer.granted)) == (facts(expected[0]), expected[1])
            self.read.append(answer.job)
        elif isinstance(answer, CancelRequested):
            assert answer.canceling == expected
        else:
            assert expected is None

    def renew(self) -> None:
        jobs = self._leased()
        self.ledger.transitions.renew(jobs)
        self.model.renew(jobs)

    def release(self) -> None:
        jobs = self._leased()
        released, expected = self.ledger.transitions.release(jobs), self.model.release(jobs)
        assert (released.released, released.paying) == expected

    def cancel(self) -> None:
        job = self._read()
        if job is not None:
            how = self.rng.choice(list(Canceling))
            assert self.ledger.transitions.request_cancel(job, how) == self.model.cancel(job, how)

    def compare(self, move: str) -> None:
        """Everything that the model knows, read from Redis."""
        client, prefix, model = self.ledger.client, self.ledger.prefix, self.model
        with client.pipeline(transaction=False) as pipe:
            pipe.zrange(f"{prefix}:due", 0, -1, withscores=True)
            pipe.zrange(f"{prefix}:slots", 0, -1)
            pipe.hget(f"{prefix}:spent:{self.time.at // DAY_MS}", "all")
            pipe.hgetall(f"{prefix}:inputs")
            pipe.hgetall(f"{prefix}:deletions")
            pipe.zrange(f"{prefix}:unneeded", 0, -1, withscores=True)
            pipe.zrange(f"{prefix}:deleting", 0, -1, withscores=True)
            for state in State:
                pipe.zrange(f"{prefix}:state:{state}", 0, -1)
            due, slots, spent, counts, deletions, unneeded, deleting, *indexes = pipe.execute()
        assert {job_id: round(at) for job_id, at in due} == model.due, move
        assert (set(slots), int(spent or 0)) == (model.slots, model.spent), move
        assert {sha: int(count) for sha, count in counts.items()} == model.inputs.counts, move
        assert {part: int(number) for part, number in deletions.items()} == model.inputs.deletions, move
        assert {name: round(at) for name, at in unneeded} == model.inputs.unneeded, move
        assert {sha: round(at) for sha, at in deleting} == model.inputs.deleting, move
        known = {job.job_id: facts(job) for job in self.ledger.jobs.get_many(list(model.jobs))}
        self.seen |= {job.state for job in model.jobs.values()}
        assert known == {job_id: facts(job) for job_id, job in model.jobs.items()}, move
        for state, indexed in zip(State, indexes, strict=True):
            assert set(indexed) == {job_id for job_id, job in model.jobs.items() if job.state is state}, (move, state)

    def _any(self) -> str | None:
        jobs = sorted(self.model.jobs)
        at_work = [job_id for job_id in jobs if job_id in self.model.due and self.model.jobs[job_id].version > 1]
        chosen = at_work if self.rng.random() < 0.7 and at_work else jobs
        return self.rng.choice(chosen) if chosen else None

    def _read(self) -> Job | None:
        """A job as a worker has read it: mostly one of the last."""
        return self.rng.choice(self.read[-3:] if self.rng.random() < 0.9 else self.read) if self.read else None

    def _polled(self) -> list[Polled]:
        """Polls without news, also of jobs that have moved on, and of one job twice."""
        if self.rng.random() < 0.7:
            return []
        running = [job for job in self.read[-6:] if job.state is State.RUNNING]
        found = []
        for job in running:
            change = transitions.polled(job, "IN_PROGRESS", poll_in=self.rng.random() * 20, count={})
            found.append(Polled(job, change, new_token(), self.rng.choice((0.0, 0.2, 4.0))))
        return found

    def _leased(self) -> list[tuple[str, int]]:
        return [(job.job_id, job.version) for job in self.read[-4:]][: self.rng.randrange(4)]


def story_of(client: redis.Redis, prefix: str, seed: int) -> Story:
    """A story on an empty ledger with two slots."""
    time = Time()
    ledger = Ledger(client, prefix, clock=time, input_ttl=INPUT_TTL_MS / 1000)
    ledger.limits.configure(Limits(max_in_flight=2, rescue_after=15))
    return Story(ledger, time, seed)


def moved(messages: Iterable[StepMessage]) -> list[tuple[str, int]]:
    return [(message.job_id, message.version) for message in messages]


def facts(job: Job) -> tuple[Any, ...]:
    """What both know of a job."""
    return (
        job.state,
        job.version,
        job.slot,
        job.attempts,
        job.attempt_open,
        job.canceling,
        job.notification,
        job.credits,
    )


def play_stories(client: redis.Redis, prefix: str) -> set[State]:
    """Play several stories; return the states that their jobs were in."""
    states = set[State]()
    for seed in range(STORIES):
        story = story_of(client, f"{prefix}{seed}", seed)
        story.tell(MOVES)
        states |= story.seen
    return states


@pytest.mark.parametrize("protocol", [2, 3])
def test_every_move_does_what_the_model_does(url: str, prefix: str, protocol: int) -> None:
    with redis.Redis.from_url(url, decode_responses=True, protocol=protocol) as client:
        states = play_stories(client, prefix)
    assert states == set(State), "stories that reach every state"


@pytest.mark.parametrize(
    "fault",
    [
        "a slot is not freed",
        "a claim takes an entry out of due",
        "a lease is not renewed",
        "a deletion is not numbered",
        "a reference to an input is not dropped",
    ],
)
def test_the_model_notices_a_deliberate_fault(valkey: EmbeddedValkey, prefix: str, fault: str) -> None:
    mutant = next(each for each in MUTANTS if each.name == fault)
    with (
        mutant.applied(),
        redis.Redis.from_url(valkey.url, decode_responses=True) as client,
        pytest.raises(AssertionError),
    ):
        play_stories(client, prefix)
