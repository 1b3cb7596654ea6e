"""A fail-over behind one address: every part finds the new primary within five seconds; nothing is lost or repeated."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests

from support.programs.installation import SWAPLINE, Installation
from support.programs.processes import start
from support.redis.fixtures import waited_for
from support.redis.one_address import OneAddress, OneName, admin, one_address, resolving, two_servers
from support.services.boards import RIGHT, board
from swapline_producer import SwapRequest
from swapline_producer.contract import State
from swapline_producer.errors import LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from support.programs.installation import Receiver
    from swapline_simulator import Simulator

WITHIN = 5.0
"""Seconds from the promotion."""


def installed(
    address: OneAddress, prefix: str, tmp_path: Path, vendor: Simulator, receiver: Receiver, **more: str
) -> Installation:
    store = tmp_path / "store"
    store.mkdir()
    server = cast("Any", address)  # an installation asks its server for nothing but a URL
    return Installation(server, prefix, store, vendor, receiver, more=more)


@pytest.fixture
def address(tmp_path: Path) -> Generator[OneAddress]:
    with one_address(tmp_path / "servers") as pair:
        yield pair


@pytest.fixture
def behind(address: OneAddress, prefix: str, tmp_path: Path, vendor: Simulator, receiver: Receiver) -> Installation:
    """An installation that knows a proxy's address, as of a Service or HAProxy."""
    return installed(address, prefix, tmp_path, vendor, receiver)


@pytest.fixture
def by_name(
    prefix: str, tmp_path: Path, vendor: Simulator, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Generator[Installation]:
    """An installation that knows a name."""
    with two_servers(tmp_path / "servers") as (first, second), one_address(tmp_path / "unused") as unused:
        name = OneName(first, second, unused.proxy, tmp_path / "port")
        name.move()
        yield installed(name, prefix, tmp_path, vendor, receiver, **resolving(name, monkeypatch))


def seconds_until(happened: Callable[[], bool]) -> float:
    began = time.monotonic()
    waited_for(happened)
    return time.monotonic() - began


@pytest.mark.parametrize("way", ["behind", "by_name"])
def test_producers_and_workers_go_on_no_job_is_lost_and_none_is_paid_twice(
    way: str, request: pytest.FixtureRequest
) -> None:
    installation: Installation = request.getfixturevalue(way)
    address = cast("OneAddress", installation.valkey)
    installation.vendor.control.set_mode("submit_slow_accepted", amount=0.5)
    producer = installation.producer()
    jobs: list[str] = []

    def accepted(number: int) -> bool:
        with suppress(LedgerUnavailable):
            jobs.append(producer.enqueue(swap(number)).job_id)
        return len(jobs) > number

    def all_done() -> bool:
        with admin(address.primary) as client:
            return int(client.zcard(f"{installation.prefix}:state:SUCCEEDED")) == len(jobs)

    with installation.worker() as worker:
        assert accepted(0)
        waited_for(all_done)
        for number in (1, 2, 3):
            assert accepted(number)
        waited_for(lambda: installation.vendor.control.report(jobs=False).submissions > 1)
        address.fail_over()  # while paid calls are under way
        enqueuing = seconds_until(lambda: accepted(4))
        working = seconds_until(all_done)
        assert worker.child.poll() is None
    done = [producer.get(job_id) for job_id in jobs]
    assert {(job.state, job.attempts, job.credits) for job in done} == {(State.SUCCEEDED, 1, 2)}
    assert installation.vendor.control.report(jobs=False).credits_spent == 2 * len(jobs)
    assert enqueuing < WITHIN
    assert working < WITHIN


def swap(number: int = 0) -> SwapRequest:
    link = "https://pictures.example/me.jpg"
    return SwapRequest(image=link, gender=0, filter_id=12, idempotency_key=f"order-{number}")


@contextmanager
def metrics_page(installation: Installation) -> Generator[str]:
    """Run `swapline metrics` for the length of a block; gives its address."""
    child = start([SWAPLINE, "metrics", "--port", "0"], env=installation.environment, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        try:
            yield child.stdout.readline().strip()
        finally:
            child.terminate()
            assert child.wait(30) == 0


def test_board_and_metrics_read_from_the_new_primary(behind: Installation, address: OneAddress) -> None:
    producer = behind.producer()
    producer.enqueue(swap(0))
    settings = {"SWAPLINE_REDIS_URL": address.url, "SWAPLINE_KEY_PREFIX": behind.prefix}
    with board(behind.store.parent, **settings) as page, metrics_page(behind) as metrics:
        assert requests.get(page, auth=RIGHT, timeout=30).ok
        assert 'swapline_jobs{state="QUEUED"} 1.0' in requests.get(metrics, timeout=30).text
        address.fail_over()
        address.part()  # the copy that they could go on reading stands still
        last = producer.enqueue(swap(1)).job_id
        on_board = seconds_until(lambda: last in requests.get(page, auth=RIGHT, timeout=30).text)
        counted = 'swapline_jobs{state="QUEUED"} 2.0'
        in_metrics = seconds_until(lambda: counted in requests.get(metrics, timeout=30).text)
    assert on_board < WITHIN
    assert in_metrics < WITHIN


def test_a_replica_is_one_sentence_for_people(behind: Installation, address: OneAddress) -> None:
    address.promote()
    for command in ("slots", "doctor"):
        refused_command = behind.cli(command)
        assert refused_command.returncode == 1
        assert "SWAPLINE_REDIS_URL must" in " ".join((refused_command.stdout + refused_command.stderr).split())
        assert "The server at this address is a replica" in " ".join(
            (refused_command.stdout + refused_command.stderr).split()
        )


def test_a_worker_that_can_claim_nothing_is_not_alive(behind: Installation, address: OneAddress) -> None:
    file = behind.store.parent / "worker.heartbeat"
    behind.more["SWAPLINE_HEARTBEAT_FILE"] = str(file)

    def problem(*options: str) -> str:
        argv = [sys.executable, "-m", "swapline_workers.alive", str(file), *options]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stderr

    with behind.worker():
        waited_for(lambda: not problem("--ready"))
        address.promote()  # and the address stays with the demoted one
        waited_for(lambda: "waits for the" in problem("--ready"))
        waited_for(lambda: "it could claim nothing for" in problem("--claimed-within", "2"))
        assert not problem()
        address.move()
        waited_for(lambda: not problem("--ready", "--claimed-within", "2"))
