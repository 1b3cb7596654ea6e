"""Keep children running together, and stop them together.

The first signal stops the children in reverse order; the second shortens the wait, the third kills.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from swapline_workers.local.errors import ChildFailed
from swapline_workers.local.supervision.child import Child, describe_exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK_INTERVAL_S = 0.1
_CHECK_INTERVAL_S = 0.005
_LIVENESS_INTERVAL_S = 5.0


class StopRequested(SystemExit):
    """Has the exit code that shells expect."""

    def __init__(self, number: int) -> None:
        """Use exit code 128 + `number`."""
        super().__init__(128 + number)


@dataclass(frozen=True)
class Backoff:
    """Waits between restarts of a child."""

    first_s: float = 0.5
    max_s: float = 30
    """Twice a minute does not fill a log."""
    reset_after_s: float = 60
    """Running time after which earlier restarts no longer count."""
    max_restarts: int | None = None
    """Restarts in a row; None: unlimited."""
    vital: bool = True
    """Whether its end ends everything."""

    def delay(self, restarts: int) -> float:
        """Return the seconds before this restart in a row, doubling."""
        return min(self.first_s * 2.0 ** (restarts - 1), self.max_s)


class StopMode(IntEnum):
    """Each signal after the first selects the next mode."""

    GENTLE = 0
    """SIGTERM, and as long as each needs."""
    QUICK = 1
    """SIGTERM again; a worker still finishes its paid calls."""
    KILL = 2


@dataclass
class _Watched:
    child: Child
    backoff: Backoff | None
    group: int
    """Children of one group start and stop at once."""
    started_at: float
    restarts: int = 0
    restart_at: float | None = None
    """None while it runs."""
    starting: bool = True
    given_up: bool = False
    checked_at: float = 0


class Supervisor:
    """Starts, watches and stops children."""

    def __init__(self, report: Callable[[str], None] = lambda _sentence: None) -> None:
        """`report` gets a sentence for each event."""
        self._report = report
        self._watched: list[_Watched] = []
        self._groups = 0
        self._stopping = False
        self._later_signals = 0
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._handlers[number] = before or signal.SIG_DFL
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def start(self, child: Child, *, restart: Backoff | None = None) -> None:
        """Start a child, and wait until it is ready; `restart` restarts it. Raises ChildFailed."""
        self.start_group([(child, restart)])

    def start_group(self, children: Iterable[tuple[Child, Backoff | None]]) -> None:
        """Start children at once and wait until all are ready. Raises ChildFailed."""
        self._groups += 1
        group = [_Watched(child, restart, self._groups, time.monotonic()) for child, restart in children]
        for watched in group:
            self._watched.append(watched)  # before the launch, so that a signal stops it
            watched.child.launch()
        while not all([_is_ready(watched) for watched in group]):  # noqa: C419 -- a list: each must be checked
            time.sleep(_CHECK_INTERVAL_S)

    def run(self) -> None:
        """Watch until a signal (StopRequested) or a vital child's end (ChildFailed)."""
        while True:
            self.tick()
            time.sleep(_TICK_INTERVAL_S)

    def tick(self) -> None:
        """Check each child; restart those due. Raises ChildFailed."""
        for watched in self._watched:
            if not watched.given_up:
                try:
                    self._check(watched)
                except ChildFailed as error:
                    self._schedule_restart(watched, str(error).split(". ", maxsplit=1)[0].removesuffix("."))

    def stop(self) -> None:
        """Stop all, the last group first."""
        self._stopping = True
        while self._watched:
            group = [watched.child for watched in self._watched if watched.group == self._watched[-1].group]
            self._stop_group(group)
            del self._watched[-len(group) :]

    @property
    def _stop_mode(self) -> StopMode:
        return StopMode(min(self._later_signals, StopMode.KILL))

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Raise once: another exception would skip the rest of the stop."""
        if self._stopping:
            self._later_signals += 1
            return
        self._stopping = True
        raise StopRequested(number)

    def _stop_group(self, children: Sequence[Child]) -> None:
        mode: StopMode | None = None
        requested_at = 0.0
        while running := [child for child in children if child.poll() is None]:
            if mode is not self._stop_mode:
                mode, requested_at = self._stop_mode, time.monotonic()
                for child in running:
                    child.request_stop()
            for child in running:
                timeout = child.stop_timeout(quick=mode is not StopMode.GENTLE)
                if mode is StopMode.KILL or time.monotonic() - requested_at > timeout:
                    child.kill()
            time.sleep(_CHECK_INTERVAL_S)

    def _check(self, watched: _Watched) -> None:
        child, now = watched.child, time.monotonic()
        if watched.restart_at is not None:
            if now >= watched.restart_at:
                watched.restart_at, watched.starting, watched.started_at = None, True, now
                child.launch()
        elif watched.starting:
            if _is_ready(watched):
                self._report(f"{child.name} runs again.")
        elif (code := child.poll()) is not None:
            raise ChildFailed(f"{child.name} {describe_exit(code)}")
        elif now - watched.checked_at > _LIVENESS_INTERVAL_S:
            watched.checked_at = now
            if (problem := child.liveness_problem()) is not None:
                child.kill()
                raise ChildFailed(f"{child.name} was killed, because {problem}")

    def _schedule_restart(self, watched: _Watched, what: str) -> None:
        now, child, backoff = time.monotonic(), watched.child, watched.backoff
        if backoff is None:
            raise ChildFailed(f"{what}. Its log is {child.log}.")
        watched.restarts = 1 if now - watched.started_at > backoff.reset_after_s else watched.restarts + 1
        if backoff.max_restarts is None or watched.restarts <= backoff.max_restarts:
            wait = backoff.delay(watched.restarts)
            watched.restart_at = now + wait
            self._report(f"{what}; it starts again in {wait:g} s. Its log is {child.log}.")
            return
        watched.given_up = True
        what = f"{what}, for the {watched.restarts}th time in a row; it is not started again"
        if backoff.vital:
            raise ChildFailed(f"{what}.{child.log_excerpt()}")
        self._report(f"{what}; everything else goes on without it.{child.log_excerpt()}")


def _is_ready(watched: _Watched) -> bool:
    watched.starting = watched.starting and not watched.child.is_ready()
    return not watched.starting
