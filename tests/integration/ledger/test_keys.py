"""The keys of Redis: which there are, and what stays of jobs that have ended, as docs/guides/redis.md lists them."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.redis.fixtures import new_job, waited_for
from swapline_producer.contract import (
    FailureCode,
    Job,
    Notification,
    Priority,
    State,
    Step,
    StoredImage,
    transitions,
)
from swapline_producer.contract.accounts import Limits
from swapline_producer.ledger import Ledger, connect
from swapline_producer.retention.sweep import Sweep
from swapline_producer.testing import memory_storage
from swapline_workers.core.lifecycle import ROUTES

if TYPE_CHECKING:
    from support.redis.fixtures import Time
    from swapline_producer.contract import NewJob
    from swapline_producer.contract.changes import Change
    from swapline_workers.local.valkey.server import EmbeddedValkey

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guides" / "redis.md"
LUA = ROOT / "producer" / "swapline_producer" / "ledger" / "lua" / "parts" / "shared.lua"
JOBS = 10_000
PHOTOGRAPHS = 200
"""Of a third of the jobs."""
RECORD_TTL_S = 0.5
FOR_EVER = "for ever"


def documented() -> dict[str, str]:
    """Key -> how long it is kept, of the guide's table."""
    rows = re.findall(r"^\| `P:([^|]*)` \|[^|]*\|[^|]*\| ([^|]*) \|$", GUIDE.read_text(), re.MULTILINE)
    return {name: kept for names, kept in rows for name in names.split("`, `P:")}


def test_the_guide_lists_the_keys_that_the_scripts_have() -> None:
    comment = LUA.read_text().partition("-- Keys\n")[2].partition("\n\n")[0]
    lines = [line.removeprefix("--   ") for line in comment.splitlines() if line.startswith("--   P:")]
    names = [name for line in lines for name in re.findall(r"P:([\w:]+)", re.split(r" {2,}", line)[0])]
    assert set(documented()) == set(names)


def pattern_of(name: str) -> re.Pattern[str]:
    """`line:PRIO:T` is any key of three parts that begins with `line`."""
    return re.compile(
        ":".join(
            r".+" if part == "NAME" else r"[^:]+" if part.isupper() else re.escape(part) for part in name.split(":")
        )
    )


def random_job(number: int, rng: random.Random) -> NewJob:
    """A job, with a stored photograph or one at a URL."""
    values: dict[str, Any] = {
        "tenant": rng.choice("abcd"),
        "priority": rng.choice(list(Priority)),
        "webhook_url": rng.choice((None, "https://shop.example/hook")),
        "idempotency_key": f"order-{number}",
    }
    if rng.random() < 1 / 3:
        sha256 = hashlib.sha256(bytes([rng.randrange(PHOTOGRAPHS)])).hexdigest()
        values["image"] = StoredImage(sha256=sha256, media_type="image/png", width=8, height=8, size=99)
    return new_job(f"job-{number}", queue_ttl=1e6, **values)._replace(stored_after=0)


def change_of(job: Job, rng: random.Random) -> Change:
    """One change on the way of a job to an end."""
    t, failed = transitions, transitions.failed(job, FailureCode.INVALID_IMAGE, "bad", rescue_after=15)
    if job.notification is Notification.PENDING:
        ends = rng.choice((Notification.DELIVERED, Notification.DEAD))
        return t.notified(job, ends, 1, retry_in=None, facts={})
    submitted = t.submitted(job, f"v-{job.job_id}", "IN_QUEUE", poll_in=0)
    if job.state is State.SUBMITTING and not job.attempt_open:
        return rng.choice((*[t.attempted(job, rescue_after=15)] * 9, t.canceled_before_submission(job)))
    if job.state is State.SUBMITTING:
        refused = failed.model_copy(update={"refund": True})
        held = t.held(job, FailureCode.SUBMIT_UNKNOWN, "?", {}, rescue_after=15)
        return rng.choice((*[submitted] * 4, refused, held, t.requeued(job, "?", {})))
    if job.state is State.HELD:
        return submitted
    if job.state is State.RUNNING:
        learned = {"v6:fast": {rng.randrange(40): 1.0}}
        completed = t.completed(job, rescue_after=15, service_times=learned, detection_delay=0.1)
        return rng.choice((completed, completed, failed, t.timed_out(job, "late", rescue_after=15)))
    return rng.choice((t.succeeded(job, (), rescue_after=15), failed))


def at_rest(job: Job) -> bool:
    return job.state.finished and job.notification is not Notification.PENDING


def play(ledger: Ledger, time: Time, rng: random.Random) -> None:
    """Bring every job to its end."""
    while ledger.client.zcard(f"{ledger.prefix}:due"):
        time.pass_(16)
        for message in ledger.transitions.claim(ROUTES).messages:
            opened = ledger.transitions.open(message.job_id, message.version)
            if opened is None:
                continue
            if opened.job.state is State.QUEUED and message.step is Step.SUBMIT:
                ledger.transitions.line_up(opened.job)
                continue
            job = opened.job
            while not (job.state is State.QUEUED or at_rest(job)):
                answer = ledger.transitions.advance(job, change_of(job, rng))
                job = getattr(answer, "job", job)


def test_of_jobs_that_have_ended_only_the_keys_stay_that_the_guide_names(
    valkey: EmbeddedValkey, prefix: str, time: Time
) -> None:
    rng = random.Random(1)  # noqa: S311 -- reproducible, not secret
    with connect(valkey.url) as client:
        ledger = Ledger(client, prefix, clock=time, record_ttl=RECORD_TTL_S)
        ledger.limits.configure(Limits(max_in_flight=200, rescue_after=15))
        for number in range(0, JOBS, 500):
            ledger.intake.accept_many(random_job(each, rng) for each in range(number, number + 500))
        play(ledger, time, rng)
        time.pass_(86_400 * 2)  # a worker deletes from the store what was kept until then
        assert Sweep(ledger, memory_storage()).all_due() > JOBS // 4
        waited_for(lambda: not client.keys(f"{prefix}:job:*"))
        for _ in range(JOBS // 100):  # a hundred entries of an index of failed webhooks go each minute
            client.delete(f"{prefix}:trimmed")
            time.pass_(60)
            ledger.transitions.claim(ROUTES)
        left = [key.removeprefix(f"{prefix}:") for key in client.keys(f"{prefix}:*") if client.ttl(key) == -1]
        stays = [pattern_of(name) for name, kept in documented().items() if kept.startswith(FOR_EVER)]
        assert [key for key in left if not any(pattern.fullmatch(key) for pattern in stays)] == []
        assert [key for key in left if "job-" in key or "order-" in key] == []
        assert not client.exists(*(f"{prefix}:{name}" for name in ("inputs", "unneeded", "deleting")))
        size: Any = sum(client.memory_usage(f"{prefix}:{key}") or 0 for key in left)
        assert len(left) < 40
        assert size < 100_000
