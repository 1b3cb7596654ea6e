"""One child of ours: its own process group, its output in a file, and no life longer than ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from swapline_workers.local.death_pipe import DeathPipe, shared_death_pipe
from swapline_workers.local.errors import ChildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

_CHECK_INTERVAL_S = 0.005
"""Seconds between two looks at a child that starts: the embedded server needs 36 ms, so this is a seventh of it."""
_TAIL = 2000
"""Bytes from the end of a child's log that a failure shows: some twenty lines, a traceback's useful part."""


@dataclass(frozen=True)
class Program:
    """What to run. The settings of a child travel in `env`, never in `argv`, which every user of the host can read."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    """Output and errors are appended here."""
    ready: Callable[[Child], bool] | None = None
    """Asked until it says yes. It must prove that *this* child answers, not another one on the same port."""
    ready_within: float = 30
    """Seconds. Python with Celery needs about two on a slow machine, and a machine under load ten times that."""
    stop_within: float = 10
    """Seconds between SIGTERM and SIGKILL."""
    complaint: Callable[[Child], str | None] | None = None
    """Asked while it runs: what keeps it from its work, so that it must be started again; None where it is well."""


class Service(Protocol):
    """What can be supervised: a child, or something built of children."""

    @property
    def name(self) -> str:
        """The name under which people know it."""

    @property
    def log(self) -> Path:
        """The file that has its output."""

    def start(self) -> None:
        """Start, and come back once it is ready. Raises ChildFailed; nothing of it runs then."""

    def launch(self) -> None:
        """Start, and do not wait; `settled` says when it is ready."""

    def settled(self) -> bool:
        """Tell whether what was launched is ready. Raises ChildFailed once it cannot be; nothing of it runs then."""

    def poll(self) -> int | None:
        """Give the exit code if it is not running (negative: the signal that ended it), None while it runs."""

    def complaint(self) -> str | None:
        """Say what keeps it from its work although it runs; None where it is well."""

    def ask(self) -> None:
        """Ask it to stop, and do not wait; to ask again is to ask for more haste."""

    def stopped(self, within: float | None = None) -> None:
        """Wait until what was asked to stop has stopped; kill it after `within` seconds, or its own time."""

    def stop(self) -> None:
        """Stop cleanly, by force where that takes too long. Stopping twice is stopping once."""

    def kill(self) -> None:
        """Stop by force, now."""

    def evidence(self) -> str:
        """Name its log, and quote its end."""


class Child:
    """A program that can be started, watched and stopped, as often as needed."""

    def __init__(self, program: Program, *, death_pipe: DeathPipe | None = None) -> None:
        """Start nothing yet."""
        self.program = program
        self.pid: int | None = None
        """The pid of the last start, which is also the number of its group."""
        self._death_pipe = death_pipe
        self._popen: subprocess.Popen[bytes] | None = None
        self._code = 0
        self._log_from = 0
        self._ready_by = 0.0

    @property
    def name(self) -> str:
        """The name under which people know it."""
        return self.program.name

    @property
    def log(self) -> Path:
        """The file that has its output."""
        return self.program.log

    def start(self, *, pass_fds: Collection[int] = ()) -> None:
        """Start, and come back once it is ready.

        Raises ChildFailed with the end of its log when it ended or was not ready in time; it is gone then.
        """
        self.launch(pass_fds=pass_fds)
        try:
            while not self.settled():
                time.sleep(_CHECK_INTERVAL_S)
        except BaseException:
            self.kill()
            raise

    def launch(self, *, pass_fds: Collection[int] = ()) -> None:
        """Start, and do not wait."""
        self.program.log.parent.mkdir(parents=True, exist_ok=True)
        self._death_pipe = self._death_pipe or shared_death_pipe()
        with self.program.log.open("ab") as log:
            self._log_from = log.tell()
            self._popen = self._death_pipe.spawn(
                self.program.argv, env=self.program.env, cwd=self.program.cwd, output=log, pass_fds=pass_fds
            )
        self.pid = self._popen.pid
        self._ready_by = time.monotonic() + self.program.ready_within

    def settled(self) -> bool:
        """Tell whether it is ready. Raises ChildFailed with the end of its log when it cannot be; it is gone then."""
        if (code := self.poll()) is not None:
            raise ChildFailed(f"{self.name} {ending(code)} before it was ready.{self.evidence()}")
        if self.program.ready is None or self.program.ready(self):
            return True
        if time.monotonic() > self._ready_by:
            self.kill()
            raise ChildFailed(f"{self.name} was not ready after {self.program.ready_within:g} s.{self.evidence()}")
        return False

    def complaint(self) -> str | None:
        """Say what keeps it from its work although it runs; None where it is well."""
        return None if self.program.complaint is None else self.program.complaint(self)

    def poll(self) -> int | None:
        """Give the exit code if it is not running (negative: the signal that ended it), None while it runs."""
        if self._popen is None:
            return self._code
        if (code := self._popen.poll()) is not None:
            self._bury(self._popen)
        return code

    def stop(self) -> None:
        """Ask it to stop, wait, and kill the group where that was not enough. Stopping twice is stopping once."""
        self.ask()
        self.stopped()

    def ask(self) -> None:
        """Send it SIGTERM."""
        if self._popen is not None:
            self._popen.terminate()  # the leader only: it knows in which order its own children stop

    def stopped(self, within: float | None = None) -> None:
        """Wait until it has ended, at most `within` seconds or its own time; then kill the group."""
        if (popen := self._popen) is None:
            return
        try:
            popen.wait(self.program.stop_within if within is None else within)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the whole group at once."""
        if self._popen is not None:
            self._bury(self._popen)

    def tail(self) -> str:
        """Give the end of what it has written since its last start."""
        with self.program.log.open("rb") as log:
            log.seek(max(self._log_from, self.program.log.stat().st_size - _TAIL))
            return log.read().decode(errors="replace").strip()

    def evidence(self) -> str:
        """Name its log, and quote the end of what it has written since its last start."""
        said = self.tail()
        return f" Its log is {self.log}" + (f" and ends with:\n{said}" if said else " and is empty.")

    def _bury(self, popen: subprocess.Popen[bytes]) -> None:
        """Kill the group, or what a leader that is gone left behind in it; take both off the leash.

        Once only for each start: the number may be somebody else's later.
        """
        self._popen = None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            os.killpg(popen.pid, signal.SIGKILL)
        self._code = popen.wait()
        if self._death_pipe is not None:
            self._death_pipe.release(popen.pid)


def ending(code: int) -> str:
    """Say in words what an exit code means."""
    return f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
