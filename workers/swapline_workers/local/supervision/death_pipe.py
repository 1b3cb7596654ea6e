"""Children that cannot outlive this process, even after SIGKILL.

The kernel closes our end of the pipe when we die; a watchdog in a session of its own then ends every registered child.
A child starts as a shell that writes its pid to the pipe. Not PR_SET_PDEATHSIG: it fires at the end of a *thread*.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_REGISTER_THEN_EXEC = 'printf "+%d\\n" "$$" >&0 && exec "$@" </dev/null'
_CHECK_INTERVAL_S = 0.01


class DeathPipe:
    """Starts and registers children. Thread-safe."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._inherited: set[int] = set()
        self._owner = os.getpid()

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        output: IO[bytes],
        pass_fds: Collection[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program as the leader of its own session.

        An unexecutable one ends with 126 or 127 and a line in `output`.
        """
        with self._lock:
            child = subprocess.Popen(  # noqa: S603 -- the program is ours, and the shell parses nothing of argv
                ["/bin/sh", "-c", _REGISTER_THEN_EXEC, argv[0], *argv],
                stdin=self._pipe(),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
            self._children[child.pid] = child
        return child

    def inherit(self, descriptor: int) -> None:
        """Let the watchdog keep a lock until our children have ended. Call first."""
        self._inherited.add(descriptor)

    def release(self, pid: int) -> None:
        """Unregister a child that is gone with its group."""
        with self._lock:
            if self._children.pop(pid, None) is not None:
                self._send(f"-{pid}\n")

    def close(self) -> None:
        """End all registered children, and wait for the watchdog."""
        if os.getpid() != self._owner:
            return  # a fork of the owner: the children are not its own
        with self._lock:
            self._send_children()  # one that was just started may not have written its line
            self._send(".\n")  # a line, because a fork may hold a copy of the pipe open
            watchdog, self._watchdog = self._watchdog, None
            children, self._children = self._children, {}
        if watchdog is not None:
            _close_stdin(watchdog)
            while watchdog.poll() is None:
                for child in children.values():
                    child.poll()  # reap it: the watchdog waits until its pid is gone
                time.sleep(_CHECK_INTERVAL_S)

    def _pipe(self) -> IO[bytes]:
        """Return our end of the pipe. A dead watchdog is replaced."""
        if self._watchdog is None or self._watchdog.poll() is not None:
            if self._watchdog is not None:
                _close_stdin(self._watchdog)
            self._watchdog = subprocess.Popen(  # noqa: S603 -- our own file under our own interpreter
                [sys.executable, "-I", "-S", str(_WATCHDOG)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=tuple(self._inherited),
                cwd="/",
                start_new_session=True,
            )
            self._send_children()
        stdin = self._watchdog.stdin
        assert stdin is not None  # noqa: S101 -- for the type checker: it is a PIPE
        return stdin

    def _send_children(self) -> None:
        for pid in self._children:
            self._send(f"+{pid}\n")

    def _send(self, line: str) -> None:
        """Write one line, atomically; a dead watchdog's successor gets all children."""
        if self._watchdog is not None and self._watchdog.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._watchdog.stdin.fileno(), line.encode())


def _close_stdin(watchdog: subprocess.Popen[bytes]) -> None:
    if watchdog.stdin is not None:
        watchdog.stdin.close()


def shared_death_pipe() -> DeathPipe:
    """Return this process's death pipe."""
    return _death_pipe_of(os.getpid())


@functools.cache
def _death_pipe_of(_pid: int) -> DeathPipe:
    death_pipe = DeathPipe()
    atexit.register(death_pipe.close)
    return death_pipe
