"""Tenants take turns: whatever happens, a waiting tenant is passed over at most once by each other tenant.

Real Lua on a real server, compared with a model of a few lines; what is drawn is who comes, goes, and comes back.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, cast

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from support.redis.fixtures import Time, new_job
from swapline_producer.contract import Priority, State
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.contract.changes import Change
from swapline_producer.ledger import Ledger, connect
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    import redis

    from swapline_producer.contract import Job, StepMessage
    from swapline_workers.local.valkey.server import EmbeddedValkey

LONG, SHORT = 1e6, 5.0
"""Seconds that a job may wait: for ever, and less than the test lets pass now and then."""


class Waiting(NamedTuple):
    """A job in the model's line."""

    created_at: int
    job_id: str
    until: int


class Model:
    """Who is next, in a few lines: tenants stand in a row, and the one that was served goes to its end."""

    def __init__(self) -> None:
        self.rows: dict[Priority, dict[str, list[Waiting]]] = {priority: {} for priority in Priority}

    def join(self, priority: Priority, tenant: str, job: Waiting) -> None:
        self.rows[priority].setdefault(tenant, []).append(job)
        self.rows[priority][tenant].sort()

    def leave(self, priority: Priority, tenant: str, job_id: str) -> None:
        row = self.rows[priority]
        left = [job for job in row.get(tenant, ()) if job.job_id != job_id]
        if left:
            row[tenant] = left
        else:
            row.pop(tenant, None)

    def serve(self, now: int) -> tuple[Priority, str, str] | None:
        """Take the next job; those that waited too long are dropped on the way."""
        for priority, row in self.rows.items():
            for tenant in list(row):
                row[tenant] = [job for job in row[tenant] if job.until > now]
                if not row[tenant]:
                    del row[tenant]
            if row:
                tenant, jobs = next(iter(row.items()))
                del row[tenant]
                if jobs[1:]:
                    row[tenant] = jobs[1:]
                return priority, tenant, jobs[0].job_id
        return None

    def waiting(self, priority: Priority, now: int) -> set[str]:
        return {tenant for tenant, jobs in self.rows[priority].items() if any(job.until > now for job in jobs)}


class Story:
    """An installation with few slots and several tenants; checks each slot that is given out."""

    def __init__(self, client: redis.Redis) -> None:
        self.time = Time()
        self.ledger = Ledger(client, f"f{secrets.token_hex(6)}", clock=self.time)
        self.model = Model()
        self.passed: dict[tuple[Priority, str], Counter[str]] = defaultdict(Counter)
        self.waiting: dict[str, Job] = {}
        self.in_flight: dict[str, Job] = {}
        self.slots(1)

    def slots(self, number: int) -> None:
        self.ledger.limits.configure(Limits(max_in_flight=number, rescue_after=1e6))
        self.claim()

    def claim(self) -> None:
        self._granted(message for message in self.ledger.transitions.claim(ROUTES).messages if message.version % 2 == 0)

    def enqueue(self, tenant: str, priority: Priority, ttl: float) -> None:
        self.time.at += 1
        job_id = f"j{self.time.at}"
        new = new_job(job_id, tenant=tenant, priority=priority, queue_ttl=ttl)
        self.ledger.intake.accept_many([new])
        self.waiting[job_id] = job = self.ledger.jobs.get(job_id)
        self._join(job)
        self.claim()

    def finish(self, number: int) -> None:
        if job := self._one(self.in_flight, number):
            self._advance(job, Change(to=State.FAILED))

    def refuse(self, number: int) -> None:
        """The vendor had no room for a job: it comes back into the line."""
        if job := self._one(self.in_flight, number):
            self.waiting[job.job_id] = job
            self._join(job)
            self._advance(job, Change(to=State.QUEUED, in_line=True, due_by="queue_until"))

    def cancel(self, number: int) -> None:
        if job := self._one(self.waiting, number):
            self.model.leave(job.spec.priority, job.tenant, job.job_id)
            self._advance(self.ledger.jobs.get(job.job_id), Change(to=State.CANCELED))

    def pass_time(self) -> None:
        self.time.pass_(SHORT)

    def _one(self, jobs: dict[str, Job], number: int) -> Job | None:
        return jobs.pop(sorted(jobs)[number % len(jobs)]) if jobs else None

    def _join(self, job: Job) -> None:
        self.model.join(job.spec.priority, job.tenant, Waiting(job.created_at, job.job_id, job.queue_until))

    def _advance(self, job: Job, change: Change) -> None:
        advanced = self.ledger.transitions.advance(job, change)
        assert isinstance(advanced, Advanced)
        self._granted(advanced.granted)

    def _granted(self, messages: Iterable[StepMessage]) -> None:
        for message in messages:
            job = self.ledger.jobs.get(message.job_id)
            expected = self.model.serve(self.time.at)
            assert expected == (job.spec.priority, job.tenant, job.job_id)
            self.in_flight[job.job_id] = job
            self.waiting.pop(job.job_id)
            self._pass_over(job.spec.priority, job.tenant)

    def _pass_over(self, priority: Priority, served: str) -> None:
        others = self.model.waiting(priority, self.time.at) - {served}
        for key in [key for key in self.passed if key[0] is priority and key[1] not in others]:
            del self.passed[key]
        for tenant in others:
            self.passed[priority, tenant][served] += 1
            assert self.passed[priority, tenant][served] <= 1, f"{served} passed over {tenant} twice"


TENANTS = st.sampled_from(["aaa", "bbb", "mmm", "zzz"])
NUMBER = st.integers(0, 20)
EVENTS = st.one_of(
    st.tuples(st.just("enqueue"), TENANTS, st.sampled_from(Priority), st.sampled_from([LONG, LONG, SHORT])),
    st.tuples(st.just("enqueue"), TENANTS, st.just(Priority.NORMAL), st.just(LONG)),
    st.tuples(st.sampled_from(["finish", "finish", "refuse", "cancel"]), NUMBER),
    st.tuples(st.just("slots"), st.integers(0, 3)),
    st.tuples(st.just("pass_time")),
)


@pytest.fixture(scope="module")
def client(valkey: EmbeddedValkey) -> Generator[redis.Redis]:
    connected = connect(valkey.url)
    yield connected
    connected.close()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(EVENTS, max_size=60))
def test_no_waiting_tenant_is_passed_over_more_than_once_by_each_other(
    client: redis.Redis, events: list[tuple[object, ...]]
) -> None:
    story = Story(client)
    for name, *values in events:
        getattr(story, str(name))(*values)
    story.slots(1)
    while story.in_flight:
        story.finish(0)
    assert not any(story.model.waiting(priority, story.time.at) for priority in Priority)
    left = cast("list[str]", client.keys(f"{story.ledger.prefix}:*"))
    assert [key for key in left if ":line:" in key] == []
    client.delete(*left)  # those of hundreds of stories would slow down what scans them


def test_a_tenant_that_comes_back_each_time_takes_turns_with_one_whose_jobs_wait(client: redis.Redis) -> None:
    story = Story(client)
    story.enqueue("aaa", Priority.NORMAL, LONG)
    for _ in range(15):
        story.enqueue("zzz", Priority.NORMAL, LONG)
    served: list[str] = []
    for _ in range(20):
        story.enqueue("aaa", Priority.NORMAL, LONG)
        story.finish(0)
        served += [job.tenant for job in story.in_flight.values()]
    assert served == ["zzz", "aaa"] * 10


def test_tenants_that_come_later_do_not_go_before_one_that_was_served_lately(client: redis.Redis) -> None:
    story = Story(client)
    story.enqueue("zzz", Priority.NORMAL, LONG)
    story.enqueue("zzz", Priority.NORMAL, LONG)
    for number in range(30):
        story.enqueue(f"aaa{number}", Priority.NORMAL, LONG)
    story.finish(0)
    assert [job.tenant for job in story.in_flight.values()] == ["zzz"]


def test_a_job_that_waited_too_long_does_not_take_its_tenants_turn(client: redis.Redis) -> None:
    story = Story(client)
    story.enqueue("bbb", Priority.NORMAL, LONG)
    story.enqueue("aaa", Priority.NORMAL, SHORT)
    story.enqueue("aaa", Priority.NORMAL, LONG)
    story.enqueue("bbb", Priority.NORMAL, LONG)
    story.pass_time()
    story.finish(0)
    assert [job.tenant for job in story.in_flight.values()] == ["aaa"]
