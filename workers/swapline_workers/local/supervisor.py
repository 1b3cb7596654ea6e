"""Keeps services running together, and ends them together.

    with Supervisor() as supervisor:
        supervisor.start(valkey)
        supervisor.start(worker, restart=Backoff())
        supervisor.run()            # until SIGINT, SIGTERM or SIGHUP

There is no thread in here: whoever waits calls `tick`, or lets `run` do it. A signal interrupts whatever is being
waited for, and the services stop in reverse order; a second signal asks them again and waits for a moment only, and a
third one kills them. That they also end when this interpreter
is killed is the work of `death_pipe`.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from swapline_workers.local.child import Service, ending
from swapline_workers.local.errors import ChildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK = 0.1
"""Seconds between two looks at the services: a person does not notice it, and ten polls a second cost nothing."""
_SETTLE = 0.005
"""Seconds between two looks at services that start for the first time, while somebody waits."""
_ASK_EVERY = 5.0
"""Seconds between two questions whether a service that runs also works."""
_QUICK = 3.0
"""Seconds that a service gets to stop when somebody is in a hurry: to write down what must not be lost."""


class StopRequested(SystemExit):
    """A signal asked us to stop. As SystemExit it ends the program quietly, with the code that shells expect."""

    def __init__(self, number: int) -> None:
        """Keep 128 + the signal's number as the exit code."""
        super().__init__(128 + number)


@dataclass(frozen=True)
class Backoff:
    """How long to wait before a fallen service is started again, in seconds."""

    first: float = 0.5
    """One crash costs half a second."""
    most: float = 30
    """A service that never comes up is tried twice a minute: enough for who mends it, little enough for the log."""
    calm: float = 60
    """A service that has run for a minute is forgiven its earlier falls."""
    tries: int | None = None
    """How many falls in a row are one too many; None: it is tried for ever."""
    vital: bool = True
    """What one too many means: the end of everything, or that the others go on without it."""

    def delay(self, restarts: int) -> float:
        """Give the wait after this many falls in a row, doubling from `first` to `most`."""
        return min(self.first * 2.0 ** (restarts - 1), self.most)


class StopMode(IntEnum):
    """How services are stopped. Each signal is one step further."""

    GENTLE = 0
    """Asked, and waited for as long as each needs."""
    QUICK = 1
    """Asked again, and waited for only a moment."""
    KILL = 2


@dataclass
class _Watched:
    service: Service
    backoff: Backoff | None
    group: int
    """Those of one wave start and stop at once."""
    up_since: float
    restarts: int = 0
    due: float | None = None
    """When it is started again; None while it runs."""
    starting: bool = True
    given_up: bool = False
    asked_at: float = 0


class Supervisor:
    """Starts services, watches them, and stops them in reverse order."""

    def __init__(self, tell: Callable[[str], None] = lambda _sentence: None) -> None:
        """Give what happens to `tell`, a sentence each."""
        self._tell = tell
        self._watched: list[_Watched] = []
        self._waves = 0
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int] = {}

    def __enter__(self) -> Self:
        """Take over the signals. Those that were ignored stay so: that is how `nohup` works."""
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._handlers[number] = before or signal.SIG_DFL
                signal.signal(number, _request_stop)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, then give the signals back."""
        self.stop()
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def start(self, service: Service, *, restart: Backoff | None = None) -> None:
        """Start a service and wait until it is ready; with `restart`, start it again whenever it ends by itself.

        Raises ChildFailed when this first start fails.
        """
        self.start_group([(service, restart)])

    def start_group(self, services: Iterable[tuple[Service, Backoff | None]]) -> None:
        """Start services that do not need each other, and wait until all are ready; they will stop together, too.

        Raises ChildFailed when one of them cannot be started.
        """
        self._waves += 1
        group = [_Watched(service, restart, self._waves, time.monotonic()) for service, restart in services]
        for watched in group:
            self._watched.append(watched)  # first, so that a signal finds it
            watched.service.launch()
        while not all([self._settled(watched) for watched in group]):  # noqa: C419 -- a list, so that each is looked at
            time.sleep(_SETTLE)

    def run(self) -> None:
        """Watch until a signal comes, as StopRequested, or a service that must not end does, as ChildFailed."""
        while True:
            self.tick()
            time.sleep(_TICK)

    def tick(self) -> None:
        """Look at every service once, and start again what has fallen and is due.

        Raises ChildFailed when a service ended that is not to be started again, or once too often.
        """
        for watched in self._watched:
            if not watched.given_up:
                try:
                    self._look_at(watched)
                except ChildFailed as error:
                    self._note_fall(watched, str(error).split(". ", maxsplit=1)[0].removesuffix("."))

    def stop(self) -> None:
        """Stop all, the last wave first. Each signal that comes meanwhile is one step of haste more."""
        stop_mode = StopMode.GENTLE
        while self._watched:
            group = [watched.service for watched in self._watched if watched.group == self._watched[-1].group]
            try:
                _stop_together(group, stop_mode)
                del self._watched[-len(group) :]
            except StopRequested:
                stop_mode = StopMode(min(stop_mode + 1, StopMode.KILL))

    def _look_at(self, watched: _Watched) -> None:
        service, now = watched.service, time.monotonic()
        if watched.due is not None:
            if now >= watched.due:
                watched.due, watched.starting, watched.up_since = None, True, now
                service.launch()
        elif watched.starting:
            if self._settled(watched):
                self._tell(f"{service.name} runs again.")
        elif (code := service.poll()) is not None:
            raise ChildFailed(f"{service.name} {ending(code)}")
        elif now - watched.asked_at > _ASK_EVERY:
            watched.asked_at = now
            if (complaint := service.complaint()) is not None:
                service.kill()
                raise ChildFailed(f"{service.name} was killed, because {complaint}")

    def _settled(self, watched: _Watched) -> bool:
        watched.starting = watched.starting and not watched.service.settled()
        return not watched.starting

    def _note_fall(self, watched: _Watched, what: str) -> None:
        now, service, backoff = time.monotonic(), watched.service, watched.backoff
        if backoff is None:
            raise ChildFailed(f"{what}. Its log is {service.log}.")
        watched.restarts = 1 if now - watched.up_since > backoff.calm else watched.restarts + 1
        if backoff.tries is not None and watched.restarts > backoff.tries:
            self._give_up(watched, f"{what}, for the {watched.restarts}th time in a row; it is not started again")
            return
        wait = backoff.delay(watched.restarts)
        watched.due = now + wait
        self._tell(f"{what}; it starts again in {wait:g} s. Its log is {service.log}.")

    def _give_up(self, watched: _Watched, why: str) -> None:
        watched.given_up = True
        if watched.backoff is None or watched.backoff.vital:
            raise ChildFailed(f"{why}.{watched.service.evidence()}")
        self._tell(f"{why}; everything else goes on without it.{watched.service.evidence()}")


def _stop_together(services: Sequence[Service], stop_mode: StopMode) -> None:
    for service in services:
        if stop_mode is StopMode.KILL:
            service.kill()
        else:
            service.ask()
    for service in reversed(services):
        service.stopped(None if stop_mode is StopMode.GENTLE else _QUICK)


def _request_stop(number: int, _frame: FrameType | None) -> None:
    raise StopRequested(number)
