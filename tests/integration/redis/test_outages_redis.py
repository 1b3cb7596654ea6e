"""Redis is away, full, or has forgotten; clocks are wrong. Each test is a row of docs/failure-modes.md."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis

from chaos.proxy import Fault, Proxies
from support.jobs.factories import enqueued
from support.redis.fixtures import waited_for
from support.redis.lost_writes import losing_what_follows
from swapline_producer.contract import State
from swapline_producer.errors import LedgerUnavailable
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Installation
    from swapline_producer import Producer
    from swapline_producer.contract import Job


@pytest.fixture
def own(installation: Installation, tmp_path: Path) -> Generator[Installation]:
    """An installation with a server of its own, which may be killed."""
    with EmbeddedValkey(tmp_path / "own-valkey") as server:
        yield replace(installation, valkey=server)


def ended(producer: Producer, jobs: list[str]) -> list[Job]:
    return [producer.wait(job_id, timeout=60) for job_id in jobs]


def submissions(installation: Installation) -> int:
    return installation.vendor.control.report(jobs=False).submissions


def paid_once(installation: Installation, done: list[Job]) -> None:
    assert [(job.state, job.attempts, job.credits) for job in done] == [(State.SUCCEEDED, 1, 2)] * len(done)
    assert installation.vendor.control.report(jobs=False).credits_spent == 2 * len(done)


def test_redis_killed_and_started_again_loses_nothing_and_everybody_reconnects(own: Installation) -> None:
    own.more["SWAPLINE_RESCUE_AFTER"] = "2"
    own.vendor.control.change(service_time="fixed:0.5")
    producer = own.producer()
    with own.worker() as worker:
        jobs = enqueued(producer, 12)
        for number in (1, 2):
            waited_for(lambda number=number: producer.ledger.stats.census()[State.SUCCEEDED] >= 3 * number)  # type: ignore[misc]
            own.valkey.kill()
            own.valkey.start()
        done = ended(producer, jobs + enqueued(producer))
        assert worker.child.poll() is None
    paid_once(own, done)
    assert "Unrecoverable" not in worker.log()


@contextmanager
def stopped(server: EmbeddedValkey) -> Generator[None]:
    """The server hangs: its connections stay open, and nothing answers."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_paid_call_that_ends_while_redis_hangs_is_written_when_it_is_back(own: Installation) -> None:
    """Longer than RESCUE_AFTER: the worker renews its leases before anything is rescued."""
    own.more["SWAPLINE_RESCUE_AFTER"] = "1"
    own.vendor.control.set_mode("submit_slow_accepted", amount=1)
    producer = own.producer()
    with own.worker():
        jobs = enqueued(producer, 3)
        waited_for(lambda: submissions(own) == 3)
        with stopped(own.valkey):
            threading.Event().wait(3)  # no server can be asked how long it has been
        done = ended(producer, jobs)
    paid_once(own, done)
    assert "held" not in producer.ledger.stats.counters()


def test_a_paid_call_that_ends_while_redis_cannot_be_reached_is_written_when_it_is_back(own: Installation) -> None:
    own.more["SWAPLINE_RESCUE_AFTER"] = "2"
    own.vendor.control.set_mode("submit_slow_accepted", amount=0.5)
    producer = own.producer()
    with Proxies() as proxies:
        wire = proxies.between("redis", own.valkey.port)
        own.more["SWAPLINE_REDIS_URL"] = own.valkey.url.replace(f":{own.valkey.port}/", f":{wire.port}/")
        with own.worker() as worker:
            jobs = enqueued(producer, 3)
            waited_for(lambda: submissions(own) == 3)
            away = wire.order(Fault.REFUSE)
            waited_for(lambda: "is kept and offered again" in worker.log())
            wire.lift(away)
            done = ended(producer, jobs)
            assert worker.child.poll() is None
    paid_once(own, done)


@pytest.mark.parametrize(
    ("setting", "refusing", "well"),
    [("maxmemory", "1mb", "0"), ("min-replicas-to-write", "1", "0")],
    ids=["full", "refusing writes for another reason"],
)
def test_a_redis_that_refuses_writes_stops_everything_and_loses_nothing(
    own: Installation, setting: str, refusing: str, well: str
) -> None:
    own.vendor.control.set_mode("submit_slow_accepted", amount=1)
    producer = own.producer()
    with own.worker() as worker, redis.Redis.from_url(own.valkey.url) as admin:
        jobs = enqueued(producer, 4)
        waited_for(lambda: submissions(own) == 3)
        admin.config_set(setting, refusing)
        with pytest.raises(LedgerUnavailable, match="Redis"):
            enqueued(producer)
        waited_for(lambda: worker.log().count("is kept and offered again") == 3)
        assert submissions(own) == 3
        admin.config_set(setting, well)
        done = ended(producer, jobs)
        assert worker.child.poll() is None
    paid_once(own, done)


def test_a_redis_that_lost_its_last_second_is_sent_again_what_was_paid(own: Installation) -> None:
    """The machine stopped: the attempt's record is gone, but the worker that made the call is not."""
    own.vendor.control.set_mode("submit_slow_accepted", amount=3)
    producer = own.producer()
    with own.worker() as worker:
        with worker.frozen():
            [job_id] = enqueued(producer)
            lose = losing_what_follows(own.valkey)
        waited_for(lambda: submissions(own) == 1)
        lose()
        [job] = ended(producer, [job_id])
        assert "the attempt of a paid call under way: it is written again" in worker.log()
    paid_once(own, [job])


def test_calls_that_outlast_the_return_of_a_redis_that_lost_them_are_not_made_again_by_another_worker(
    own: Installation,
) -> None:
    """Their worker writes the attempts again at once; the other one has free threads, and takes over what is lost."""
    own.more["SWAPLINE_RESCUE_AFTER"] = "2"
    own.vendor.control.set_mode("submit_slow_accepted", amount=6)
    producer = own.producer()
    with own.worker() as first:
        with first.frozen():
            jobs = enqueued(producer, 3)
            lose = losing_what_follows(own.valkey)
        waited_for(lambda: submissions(own) == 3)
        with own.worker() as second:
            waited_for(lambda: len(producer.ledger.workers.alive()) == 2)
            with second.frozen():
                lose()
                waited_for(lambda: first.log().count("the attempt of a paid call under way: it is written again") == 3)
            done = ended(producer, jobs)
            assert "paid call" not in second.log()
    paid_once(own, done)
    assert "held" not in producer.ledger.stats.counters()


STEPPED = """
    import os, pathlib, time

    real, file = time.time, pathlib.Path(os.environ["CLOCK_STEP"])
    time.time = lambda: real() + float(file.read_text() or 0)
"""


def test_a_workers_wall_clock_decides_nothing(own: Installation, tmp_path: Path) -> None:
    """It is a day ahead, then two days behind, while jobs run: no timeout, no rescue, no poll is early or late."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(textwrap.dedent(STEPPED))
    step = tmp_path / "step"
    step.write_text("86400")
    own.more |= {"PYTHONPATH": str(tmp_path / "site"), "CLOCK_STEP": str(step), "SWAPLINE_RUN_TIMEOUT": "30"}
    own.vendor.control.change(service_time="fixed:0.5")
    producer = own.producer()
    with own.worker():
        jobs = enqueued(producer, 6)
        waited_for(lambda: producer.ledger.stats.census()[State.SUCCEEDED] >= 3)
        step.write_text("-172800")
        done = ended(producer, jobs)
    paid_once(own, done)
    assert "rescues" not in producer.ledger.stats.counters()
    for job in done:
        assert job.finished_at is not None
        assert 0 < job.finished_at - job.created_at < 30_000  # all moments are the ledger's
