"""Run our commands as children of a process that has loaded our packages: a fork instead of a second of imports.

A child is a process like any other: its own pid, environment, folder, files, session and end. A command that another
program starts, or whose environment asks Python itself for something else, is started as usual. So is each command
with SWAPLINE_TEST_NEW_PROCESSES=1. What tests the start itself uses `subprocess`; `installation.new_processes`
is for tests of the command line.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.http.half_requests import USUAL_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVER = Path(__file__).with_name("loaded_process.py")
FORKED = {str(Path(sys.executable).with_name(name)) for name in ("swapline", "celery")}
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "MALLOC_", "OTEL_")
"""How variables begin that are read when Python or a library starts, and not again."""
NO_MATTER = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
USUAL_LOCALES = {"", "C", "POSIX", "C.UTF-8"}
"""With each of these Python speaks UTF-8 in the same way."""


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    named = {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}
    usual = {name for name, value in named.items() if name.startswith(("LC_", "LANG")) and value in USUAL_LOCALES}
    return {name: value for name, value in named.items() if name not in usual | NO_MATTER}


ALWAYS_NEW = "SWAPLINE_TEST_NEW_PROCESSES" in os.environ
OURS = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


class LoadedProcess:
    """A process that forks; one for each process that runs tests."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._control = ours
        self._lock = threading.Lock()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, str(SERVER), str(theirs.fileno())],
                cwd="/",  # some tests look for processes that were left in their folder
                env=OURS,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the tests, which then end what they have started
            )

    def fork(self, order: dict[str, Any], files: Sequence[int]) -> int:
        """Have it fork; gives the child's pid."""
        text = json.dumps(order).encode()
        with self._lock:
            socket.send_fds(self._control, [len(text).to_bytes(8, "big")], files)
            self._control.sendall(text)
            return int.from_bytes(self._control.recv(8, socket.MSG_WAITALL), "big")


@cache
def loaded_process() -> LoadedProcess:
    """The one of this process; it ends with it."""
    return LoadedProcess()


class Forked(subprocess.Popen[str]):
    """A child of a loaded process. Its own parent waits for it, and reports its end through a pipe."""

    _end: int

    def _execute_child(self, *arguments: Any) -> None:
        asked = inspect.signature(super()._execute_child).bind(*arguments).arguments  # type: ignore[misc]
        self._end, report = os.pipe()
        given = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        order = {
            "argv": [os.fspath(part) for part in asked["args"]],
            "cwd": os.fspath(asked["cwd"] or Path.cwd()),
            "env": {name: os.fspath(value) for name, value in (asked["env"] or os.environ).items()},
            "new_session": asked["start_new_session"],
        }
        files = [number if file == -1 else file for number, file in enumerate(given)]
        try:
            self.pid = loaded_process().fork(order, [*files, report])
        finally:
            os.close(report)
            ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(asked[name] for name in ends))  # type: ignore[attr-defined]
        self._child_created = True

    def _try_wait(self, flags: int) -> tuple[int, int]:
        ready, _, _ = select.select([self._end], [], [], 0 if flags else None)
        if not ready:
            return 0, 0
        status = os.read(self._end, 4)
        os.close(self._end)
        assert status, "the process that forks has died"
        return self.pid, int.from_bytes(status, "big")

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):  # type: ignore[attr-defined]
            try:
                pid, status = self._try_wait(os.WNOHANG) if self.returncode is None else (0, 0)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def start(command: Sequence[str | Path], *, new: bool = ALWAYS_NEW, **options: Any) -> subprocess.Popen[str]:
    """Start a command, as `subprocess.Popen` does; `new`: as a process of its own from the beginning."""
    own = command[len(USUAL_FILES) :] if tuple(command[: len(USUAL_FILES)]) == USUAL_FILES else command
    environment = os.environ if options.get("env") is None else options["env"]
    if new or str(own[0]) not in FORKED or _read_at_start(environment) != _read_at_start(OURS):
        return subprocess.Popen(command, text=True, **options)
    return Forked(own, text=True, **options)


def run(command: Sequence[str | Path], *, timeout: float = 120, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does with `capture_output`; `timeout` is seconds."""
    with start(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}) as child:
        try:
            out, err = child.communicate(timeout=timeout)
        except BaseException:
            child.kill()
            raise
    return subprocess.CompletedProcess(command, child.returncode, out, err)
