"""A child process: its own group, its output in a file, ended when we end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_workers.local.errors import ChildFailed
from swapline_workers.local.supervision.death_pipe import DeathPipe, shared_death_pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

SWAPLINE = (sys.executable, "-P", "-c", "from swapline_producer.cli import main; main()")
"""Our command, wherever its script is."""

_CHECK_INTERVAL_S = 0.005
_TAIL_BYTES = 2000
"""Of a log's end in an error: about twenty lines."""


@dataclass(frozen=True)
class Program:
    """What to run. Settings travel in `env`: every user of the host can read `argv`."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    ready: Callable[[Child], bool] | None = None
    """Must prove that *this* child is ready: see `local/ready.py`."""
    ready_within: float = 30
    """Seconds: Python with Celery needs two, ten times that under load."""
    stop_within: float = 10
    """Seconds between SIGTERM and SIGKILL."""
    quick_stop_within: float = 3
    """After a second SIGTERM: to write what must not be lost."""
    liveness_problem: Callable[[Child], str | None] | None = None
    """Returns why it must be restarted, or None."""


class Child:
    """A program that can be started, watched and stopped repeatedly."""

    def __init__(self, program: Program, *, death_pipe: DeathPipe | None = None) -> None:
        """Start nothing yet."""
        self.program = program
        self.pid: int | None = None
        """Of the last start; also its process group."""
        self._death_pipe = death_pipe
        self._popen: subprocess.Popen[bytes] | None = None
        self._exit_code = 0
        self._log_offset = 0
        self._ready_by = 0.0

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    @property
    def log(self) -> Path:
        """The program's log."""
        return self.program.log

    def start(self, *, pass_fds: Collection[int] = ()) -> None:
        """Start, and wait until ready. Raises ChildFailed as `is_ready` does."""
        self.launch(pass_fds=pass_fds)
        try:
            while not self.is_ready():
                time.sleep(_CHECK_INTERVAL_S)
        except BaseException:
            self.kill()
            raise

    def launch(self, *, pass_fds: Collection[int] = ()) -> None:
        """Start the process without waiting until it is ready."""
        self.program.log.parent.mkdir(parents=True, exist_ok=True)
        self._death_pipe = self._death_pipe or shared_death_pipe()
        with self.program.log.open("ab") as log:
            self._log_offset = log.seek(0, os.SEEK_END)
            self._popen = self._death_pipe.spawn(
                self.program.argv, env=self.program.env, cwd=self.program.cwd, output=log, pass_fds=pass_fds
            )
        self.pid = self._popen.pid
        self._ready_by = time.monotonic() + self.program.ready_within

    def is_ready(self) -> bool:
        """Check once. Raises ChildFailed, with the log's end, where it ended or is late."""
        if (code := self.poll()) is not None:
            raise ChildFailed(f"{self.name} {describe_exit(code)} before it was ready.{self.log_excerpt()}")
        if self.program.ready is None or self.program.ready(self):
            return True
        if time.monotonic() > self._ready_by:
            self.kill()
            raise ChildFailed(f"{self.name} was not ready after {self.program.ready_within:g} s.{self.log_excerpt()}")
        return False

    def liveness_problem(self) -> str | None:
        """Return why it must be restarted, or None."""
        return None if self.program.liveness_problem is None else self.program.liveness_problem(self)

    def poll(self) -> int | None:
        """Return None while it runs, else the exit code (negative: a signal)."""
        if self._popen is None:
            return self._exit_code
        if (code := self._popen.poll()) is not None:
            self._kill_group(self._popen)
        return code

    def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after `stop_within`. Idempotent."""
        self.request_stop()
        if self._popen is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(self.stop_timeout())
            self.kill()  # not when a signal interrupts the wait: its handler decides

    def request_stop(self) -> None:
        """Send SIGTERM without waiting."""
        if self._popen is not None:
            self._popen.terminate()  # the leader only: it stops its own children in the right order

    def stop_timeout(self, *, quick: bool = False) -> float:
        """Return the seconds between SIGTERM and SIGKILL."""
        return self.program.quick_stop_within if quick else self.program.stop_within

    def kill(self) -> None:
        """Kill the whole group."""
        if self._popen is not None:
            self._kill_group(self._popen)

    def log_tail(self) -> str:
        """Return the end of its output since the last start."""
        with self.program.log.open("rb") as log:
            log.seek(max(self._log_offset, self.program.log.stat().st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace").strip()

    def log_excerpt(self) -> str:
        """Return the log's name and end, as a sentence."""
        tail = self.log_tail()
        return f" Its log is {self.log}" + (f" and ends with:\n{tail}" if tail else " and is empty.")

    def _kill_group(self, popen: subprocess.Popen[bytes]) -> None:
        """Kill the group, once for each start: the kernel may reuse its number."""
        self._popen = None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM if only zombies are left
            os.killpg(popen.pid, signal.SIGKILL)
        self._exit_code = popen.wait()
        if self._death_pipe is not None:
            self._death_pipe.release(popen.pid)


def describe_exit(code: int) -> str:
    """Return the end of a sentence about an exit code."""
    return f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
