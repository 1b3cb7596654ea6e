"""Deadlines of calls, and the thread that shuts down the sockets of expired ones.

It duplicates descriptors: a reused number is never hit, and the calling thread's TLS state is untouched.
"""

from __future__ import annotations

import enum
import heapq
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class DeadlineExceeded(TimeoutError):  # noqa: N818 -- it names what happened
    """The deadline passed; the sockets were shut down."""


class Stage(enum.IntEnum):
    """How far a call came on the wire."""

    IDLE = 0
    """No connection was touched."""
    CONNECTING = 1
    """A connection was being opened; no byte of a request was sent."""
    SENDING = 2
    """Bytes of a request were sent: the other side may have read them."""


class Deadline:
    """One call's deadline, and the `stage` that it reached."""

    def __init__(self, seconds: float, outer: Deadline | None = None) -> None:
        """Count from now; `outer` holds as well."""
        self.seconds = seconds
        self.at = time.monotonic() + seconds
        self.stage = Stage.IDLE
        self.outer = outer
        self._fired = False
        self._over = False
        self._lock = threading.Lock()
        self._twins: list[int] = []

    @property
    def fired(self) -> bool:
        """Whether this deadline, or the outer one, has fired."""
        return self._fired or (self.outer is not None and self.outer.fired)

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self._over

    @property
    def remaining(self) -> float:
        """The seconds left, negative when passed; the outer deadline counts."""
        own = self.at - time.monotonic()
        return own if self.outer is None else min(own, self.outer.remaining)

    def extend(self, seconds: float) -> None:
        """Let the call last `seconds` from now on."""
        self.seconds, self.at = seconds, time.monotonic() + seconds

    def check(self) -> None:
        """Raise DeadlineExceeded if the sockets were shut down."""
        if self.fired:
            raise DeadlineExceeded(f"cut off: no whole reply within {self.seconds:g} s")

    def reached(self, stage: Stage) -> None:
        """Note that the call came as far as `stage`."""
        self.stage = max(self.stage, stage)
        if self.outer is not None:
            self.outer.reached(stage)

    def watch(self, sock: socket.socket) -> None:
        """Shut this socket down at the deadline, or at once after it."""
        with self._lock:
            if not self._over:
                twin = socket.dup(sock.fileno())
                self._twins.append(twin)
                if self._fired:
                    _shut(twin)
        if self.outer is not None:
            self.outer.watch(sock)

    def fire(self) -> None:
        """Shut the sockets down, unless the call has ended."""
        with self._lock:
            if not self._over:
                self._fired = True
                for twin in self._twins:
                    _shut(twin)

    def end(self) -> None:
        """Release the sockets."""
        with self._lock:
            self._over = True
            for twin in self._twins:
                socket.close(twin)
            self._twins.clear()


def _shut(twin: int) -> None:
    sock = socket.socket(fileno=twin)
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was never connected, or the other side was faster
    finally:
        sock.detach()  # the number is the deadline's to close


class _Watchdog:
    def __init__(self) -> None:
        self._news = threading.Condition()
        self._waiting: list[tuple[float, int, Deadline]] = []
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._news:
            entry = (deadline.at, id(deadline), deadline)  # the id settles a tie: deadlines have no order
            heapq.heappush(self._waiting, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="swapline-watchdog", daemon=True)
                self._thread.start()
            elif self._waiting[0] is entry:
                self._news.notify()

    def _run(self) -> None:
        while True:
            self._next().fire()

    def _next(self) -> Deadline:
        """Wait for the next deadline, without those of ended calls."""
        with self._news:
            while True:
                while self._waiting and (self._waiting[0][2].over or self._waiting[0][0] < self._waiting[0][2].at):
                    _, number, deadline = heapq.heappop(self._waiting)
                    if not deadline.over:  # it was extended
                        heapq.heappush(self._waiting, (deadline.at, number, deadline))
                left = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._news.wait(left)


class _Process:
    """Made anew after a fork: threads end, locks stay locked."""

    watchdog = _Watchdog()

    @classmethod
    def renew(cls) -> None:
        cls.watchdog = _Watchdog()


class _Here(threading.local):
    deadline: Deadline | None = None


_here = _Here()
os.register_at_fork(after_in_child=_Process.renew)


@contextmanager
def limit(seconds: float) -> Iterator[Deadline]:
    """Limit this thread's calls in the block to `seconds`."""
    deadline = Deadline(seconds, outer=_here.deadline)
    _here.deadline = deadline
    _Process.watchdog.add(deadline)
    try:
        yield deadline
    finally:
        _here.deadline = deadline.outer
        deadline.end()


def present() -> Deadline | None:
    """Return the deadline of this thread."""
    return _here.deadline


def watch(sock: socket.socket) -> None:
    """Have this thread's deadline, if any, watch a socket."""
    if (deadline := present()) is not None:
        deadline.watch(sock)


def reached(stage: Stage) -> None:
    """Note how far a call under a deadline came."""
    if (deadline := present()) is not None:
        deadline.reached(stage)


def shorter(timeout: float | None) -> float | None:
    """Return the timeout in seconds, or the deadline's rest."""
    if (deadline := present()) is None:
        return timeout
    left = what_is_left(deadline)
    return left if timeout is None else min(timeout, left)


def what_is_left(deadline: Deadline) -> float:
    """Return the seconds left. Raises DeadlineExceeded when there are none."""
    left = deadline.remaining
    if left <= 0:
        raise DeadlineExceeded("the deadline passed before all was sent")
    return left
