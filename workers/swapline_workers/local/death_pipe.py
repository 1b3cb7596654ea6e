"""Children that cannot outlive us, even when we are killed -9.

A leash is a pipe to a small watchdog in a session of its own. The kernel closes our end of the pipe however we die; the
watchdog reads the end of its input, and ends every child that is still on the leash.

There is no moment at which a child could be missed. A child is born as a shell of one line that holds our end of the
pipe as its standard input, writes its own pid to it, and only then becomes the program (with no input). If we die
before that line was written, the child itself still keeps the pipe open until it was.

Why not Linux's PR_SET_PDEATHSIG: macOS has no such thing, it fires when the *thread* that started the child ends, and
it reaches the child only, not the group that the child leads.
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
_REGISTER_THEN_BECOME = 'printf "+%d\\n" "$$" >&0 && exec "$@" </dev/null'

_CHECK_INTERVAL_S = 0.01
"""Seconds between two looks while the watchdog ends what is left: an end that nobody should have to wait for."""


class DeathPipe:
    """Starts children and keeps the watchdog told. Safe to use from several threads."""

    def __init__(self) -> None:
        """Hold nothing yet; the watchdog starts with the first child."""
        self._lock = threading.Lock()
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._held: dict[int, subprocess.Popen[bytes]] = {}
        self._kept: set[int] = set()
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
        """Start a program as the leader of its own session, its output and errors in one file.

        A program that cannot be executed ends with code 126 or 127 and a line in `output`, as in any shell.
        """
        with self._lock:
            child = subprocess.Popen(  # noqa: S603 -- the program is ours, and nothing of argv is read by the shell
                ["/bin/sh", "-c", _REGISTER_THEN_BECOME, argv[0], *argv],
                stdin=self._pipe(),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
            self._held[child.pid] = child
        return child

    def keep(self, descriptor: int) -> None:
        """Have the watchdog hold a descriptor, too: a lock that must not be free before our children have ended.

        To be called before the first child is started; the descriptor must stay open here.
        """
        self._kept.add(descriptor)

    def release(self, pid: int) -> None:
        """Take a child that is gone, with its group, off the leash."""
        with self._lock:
            if self._held.pop(pid, None) is not None:
                self._tell(f"-{pid}\n")

    def close(self) -> None:
        """Let the watchdog end whatever is still on the leash, and wait until it is done."""
        if os.getpid() != self._owner:
            return  # a copy in a process that was forked from us, whose end is not ours
        with self._lock:
            self._tell_all()  # a child that was born just now may not have said it itself yet
            self._tell(".\n")  # in words, because somebody who forked from us may hold a copy of the pipe
            watchdog, self._watchdog = self._watchdog, None
            held, self._held = self._held, {}
        if watchdog is not None:
            _let_go(watchdog)
            while watchdog.poll() is None:
                for child in held.values():
                    child.poll()  # take note of its end, which is all that the watchdog may be waiting for
                time.sleep(_CHECK_INTERVAL_S)

    def _pipe(self) -> IO[bytes]:
        """Our end of a leash whose watchdog lives: a dead one is replaced, and told of the children there are."""
        if self._watchdog is None or self._watchdog.poll() is not None:
            if self._watchdog is not None:
                _let_go(self._watchdog)
            self._watchdog = subprocess.Popen(  # noqa: S603 -- our own file under our own interpreter
                [sys.executable, "-I", "-S", str(_WATCHDOG)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=tuple(self._kept),
                cwd="/",
                start_new_session=True,
            )
            self._tell_all()
        stdin = self._watchdog.stdin
        assert stdin is not None  # noqa: S101 -- for the type checker: it was asked for two lines above
        return stdin

    def _tell_all(self) -> None:
        for pid in self._held:
            self._tell(f"+{pid}\n")

    def _tell(self, line: str) -> None:
        """Write one line, which a pipe takes whole; a watchdog that somebody killed hears it from the next one."""
        if self._watchdog is not None and self._watchdog.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._watchdog.stdin.fileno(), line.encode())


def _let_go(watchdog: subprocess.Popen[bytes]) -> None:
    if watchdog.stdin is not None:
        watchdog.stdin.close()


def shared_death_pipe() -> DeathPipe:
    """Give the leash of this interpreter: one watchdog, however many children are started."""
    return _death_pipe_of(os.getpid())


@functools.cache
def _death_pipe_of(_pid: int) -> DeathPipe:
    death_pipe = DeathPipe()
    atexit.register(death_pipe.close)
    return death_pipe
