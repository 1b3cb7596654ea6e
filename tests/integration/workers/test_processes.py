"""A forked command is a process like a new one: what it prints, where it runs, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.programs.installation import CELERY, SWAPLINE
from support.programs.processes import Forked, run, start

if TYPE_CHECKING:
    from pathlib import Path

    from support.programs.installation import Installation


@pytest.mark.parametrize(
    "command",
    [
        [SWAPLINE, "--version"],
        [SWAPLINE, "jobs", "list", "--json"],
        [SWAPLINE, "slots", "--surprise"],
        [SWAPLINE, "worker", "-c", "none"],
        [CELERY, "-A", "nowhere", "worker"],
    ],
    ids=lambda command: " ".join(command[1:]),
)
def test_it_prints_the_same_and_ends_in_the_same_way(installation: Installation, command: list[str | Path]) -> None:
    def ran(*, new: bool) -> subprocess.CompletedProcess[str]:
        return run(command, env=installation.environment, cwd=installation.store.parent, new=new)

    forked, new = ran(new=False), ran(new=True)
    assert (forked.returncode, forked.stdout, forked.stderr) == (new.returncode, new.stdout, new.stderr)


def test_it_is_a_process_of_its_own_with_a_session_a_folder_and_an_environment(installation: Installation) -> None:
    with installation.worker() as worker:
        pid = worker.child.pid
        assert isinstance(worker.child, Forked)
        assert pid == os.getsid(pid) == os.getpgid(pid)
        assert os.readlink(f"/proc/{pid}/cwd") == str(installation.store.parent)  # noqa: PTH115 -- as in the next line
        opened = [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)]  # noqa: PTH115 -- no Path.fd
        assert opened[1] == opened[2] != opened[0]
        assert worker.child.poll() is None
        worker.kill()
    assert worker.child.returncode == -signal.SIGKILL


def test_a_signal_ends_it_by_its_own_code(installation: Installation) -> None:
    with installation.worker() as worker:
        worker.child.send_signal(signal.SIGTERM)
        assert worker.child.wait(60) == 0


@pytest.mark.parametrize("name", ["PYTHONWARNINGS", "TZ", "LD_LIBRARY_PATH"])
def test_a_command_whose_environment_asks_something_of_python_is_started_anew(
    installation: Installation, name: str
) -> None:
    with start([SWAPLINE, "--version"], env=installation.environment | {name: "default"}) as child:
        assert type(child) is subprocess.Popen
