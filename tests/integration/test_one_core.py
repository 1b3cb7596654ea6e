"""The threads of a real process, moved by the real system."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.servers import waited_for
from swapline_workers.runtime.processor_affinity import OneCore

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.installation import Installation

MAY = os.sched_getaffinity(0)
pytestmark = pytest.mark.skipif(len(MAY) < 2, reason="there is only one processor")


def machine(proc: Path, *busy: int) -> None:
    """Write the statistics of a machine with these busy ticks of each processor."""
    (proc / "self" / "task").mkdir(parents=True, exist_ok=True)
    (proc / "self" / "task" / str(threading.get_native_id())).touch()
    lines = [f"cpu{number} {ticks} 0 0 1000 0 0 0 0 0 0" for number, ticks in zip(sorted(MAY), busy, strict=False)]
    half = proc / "half"
    half.write_text("\n".join(["cpu 0 0 0 0 0 0 0 0 0 0", *lines, "intr 0"]))
    half.replace(proc / "stat")


@pytest.fixture
def core(tmp_path: Path) -> Generator[OneCore]:
    machine(tmp_path, *[0] * len(MAY))
    kept = OneCore(proc=tmp_path)
    yield kept
    kept.stop()
    os.sched_setaffinity(0, MAY)


def test_threads_are_brought_together_moved_and_let_go(core: OneCore, tmp_path: Path) -> None:
    core.start()
    waited_for(lambda: core.here is not None)
    [first] = os.sched_getaffinity(0)
    assert core.here == first == max(MAY)
    ticks = 0

    def others_come() -> bool:
        nonlocal ticks
        ticks += 1000  # more than can pass between two readings
        machine(tmp_path, *[ticks if number == first else 0 for number in sorted(MAY)])
        return core.here not in {None, first}

    waited_for(others_come)
    core.stop()
    assert os.sched_getaffinity(0) == MAY


def test_a_system_without_statistics_changes_nothing(core: OneCore, tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu0 what is this")
    core.start()
    core.join(10)
    assert (core.is_alive(), os.sched_getaffinity(0)) == (False, MAY)


def processors(pid: int) -> set[frozenset[int]]:
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            found.add(frozenset(os.sched_getaffinity(int(thread.name))))
        except ProcessLookupError:
            continue
    return found


def test_a_worker_can_be_configured_to_leave_its_threads_alone(installation: Installation) -> None:
    installation.more["SWAPLINE_ONE_CORE"] = "false"
    with installation.worker() as worker:
        assert processors(worker.child.pid) == {frozenset(MAY)}
