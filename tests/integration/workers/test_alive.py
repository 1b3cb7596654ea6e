"""`swapline alive`: a worker that works differs from one that only exists."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.redis.fixtures import waited_for
from swapline_producer import SwapRequest
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.programs.installation import Installation


@pytest.fixture
def server(tmp_path: Path) -> Generator[EmbeddedValkey]:
    """A server of the test's own, which it may kill."""
    with EmbeddedValkey(tmp_path / "own", appendfsync="no") as own:
        yield own


class Probe:
    """Asks as Kubernetes would: a command, and its exit code."""

    def __init__(self, installation: Installation) -> None:
        self.file = installation.store.parent / "run" / "worker.heartbeat"
        installation.more["SWAPLINE_HEARTBEAT_FILE"] = str(self.file)

    def __call__(self, *options: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "swapline_workers.alive", str(self.file), *options]
        asked = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        return asked.returncode, asked.stdout + asked.stderr


@pytest.fixture
def probe(installation: Installation) -> Probe:
    return Probe(installation)


def test_a_worker_is_alive_from_its_start_to_its_end_but_for_when_it_is_frozen(
    installation: Installation, probe: Probe
) -> None:
    assert (probe()[0], "it has not started yet" in probe()[1]) == (1, True)
    with installation.worker() as worker:
        waited_for(lambda: probe("--ready")[0] == 0)
        shown = installation.cli("alive", "--json")
        assert json.loads(shown.stdout) == {"alive": True, "why": None, "pid": worker.child.pid, "jobs_leased": 0}
        with worker.frozen():
            waited_for(lambda: "frozen or gone" in probe("--silent-within", "1.5")[1])
        waited_for(lambda: probe("--silent-within", "5")[0] == 0)
        assert worker.stop() == 0
    assert probe()[0] == 1
    assert list(probe.file.parent.iterdir()) == []


def test_a_worker_whose_server_is_away_is_alive_and_not_ready(
    installation: Installation, probe: Probe, server: EmbeddedValkey
) -> None:
    installation.valkey = server
    with installation.worker():
        waited_for(lambda: probe("--ready")[0] == 0)
        server.kill()
        waited_for(lambda: "waits for the" in probe("--ready")[1])
        assert probe()[0] == 0
        # Its main thread comes by although it waits: seen a second later than now, twice.
        for _ in range(2):
            seen = came_by(probe)
            waited_for(lambda seen=seen: came_by(probe) > seen)  # type: ignore[misc]  # a default is no argument
        server.start()
        waited_for(lambda: probe("--ready")[0] == 0)


def came_by(probe: Probe) -> float:
    timestamp: float = json.loads(probe.file.read_text())["consumer_at"]
    return timestamp


def test_a_worker_all_of_whose_threads_are_stuck_is_not_alive(installation: Installation, probe: Probe) -> None:
    installation.vendor.control.change(service_time="fixed:60", mode="status_held")
    with installation.worker("-c", "1") as worker:
        installation.producer().enqueue(SwapRequest(image="https://pictures.example/me.jpg", gender=0, filter_id=1))
        waited_for(lambda: "all its 1 threads have been at one job" in probe("--stuck-within", "1")[1])
        assert probe() == (0, f"The worker (pid {worker.child.pid}) works.\n")
        worker.kill()


STUCK = """
import signal, threading
from swapline_workers.entry import app

signal.signal(signal.SIGXCPU, lambda *_: threading.Event().wait())
app.worker_main(["worker", "--without-gossip", "--without-mingle", "-c", "1"])
"""
"""A worker whose main thread can be made to wait for ever, while everything else in it goes on."""


def test_a_worker_whose_main_thread_is_stuck_is_not_alive(installation: Installation, probe: Probe) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], env=installation.environment, stderr=subprocess.DEVNULL
    ) as child:
        try:
            waited_for(lambda: probe("--ready")[0] == 0)
            child.send_signal(signal.SIGXCPU)
            waited_for(lambda: "its main thread has been stuck" in probe("--silent-within", "4")[1])
            assert probe("--silent-within", "4")[0] == 1
            assert probe("--silent-within", "3600")[0] == 0
        finally:
            child.kill()
