"""Child processes that decode pictures, so that a hostile file harms no producer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any

from swapline_producer.pictures.decoder.wire import receive, send

SECONDS = 30.0
"""Time limit of one picture: twelve megapixels take half a second."""
AT_ONCE = max(1, min(4, os.cpu_count() or 1))
PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
"""Environment that an interpreter needs; no secret."""


ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Numeric libraries reserve memory for each thread."""


class Refused(Exception):  # noqa: N818 -- it names the situation
    """The message continues a sentence about the picture."""


class Sandbox:
    """Child processes. Thread-safe and fork-safe."""

    def __init__(self, *, at_once: int = AT_ONCE, seconds: float = SECONDS, niceness: int = 0) -> None:
        """`niceness` is added to the children's."""
        self._niceness = niceness
        self._at_once = at_once
        self._seconds = seconds
        self._begin()

    def ask(self, operation: str, facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Have a child answer about a picture. Raises Refused."""
        if self._pid != os.getpid():
            self._begin()  # a fork shares its parent's children, and cannot use them
        with self._room:
            while True:
                child, fresh = self._take()
                try:
                    answer = child.ask({"operation": operation, **facts}, data, self._seconds)
                except _Idle:
                    if fresh:
                        raise Refused("cannot be decoded: the process for it does not start") from None
                    continue  # it ended by itself just now
                self._idle.append(child)
                break
        if refused := answer[0].get("refused"):
            raise Refused(refused)
        return answer

    def _take(self) -> tuple[_Child, bool]:
        with suppress(IndexError):
            return self._idle.pop(), False
        return _Child(self._niceness), True

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._room = threading.BoundedSemaphore(self._at_once)
        self._idle: list[_Child] = []


class _Idle(Exception):  # noqa: N818 -- it names the situation
    """The child had ended before it was asked."""


class _Child:
    def __init__(self, niceness: int) -> None:
        self._sock, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- our own module, and nothing from outside
                [sys.executable, "-m", "swapline_producer.pictures.decoder.child", str(theirs.fileno()), str(niceness)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | ONE_THREAD,
            )
        weakref.finalize(self, _end, self._process, self._sock, os.getpid())

    def ask(self, facts: dict[str, Any], data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        try:
            self._sock.settimeout(seconds)
            send(self._sock, facts, data)
            return receive(self._sock, seconds)
        except TimeoutError:
            self.end()
            raise Refused(f"takes longer than {seconds:.0f} s to decode") from None
        except (EOFError, OSError):
            raise self._why_it_ended() from None

    def end(self) -> None:
        _end(self._process, self._sock, os.getpid())

    def _why_it_ended(self) -> Exception:
        try:
            code = self._process.wait(self._GRACE)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.end()
        if code >= 0:
            return _Idle()
        if code == -signal.SIGXCPU:
            return Refused("takes too much time to decode")
        return Refused(f"cannot be decoded: the decoder was stopped by signal {-code}")

    _GRACE = 2.0


def _end(process: subprocess.Popen[bytes], sock: socket.socket, pid: int) -> None:
    sock.close()
    if pid == os.getpid():  # in a fork, it is another's child
        process.kill()
        process.wait()


sandbox = Sandbox()
