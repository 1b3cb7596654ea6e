"""Keeps services running together, and ends them together.

    with Supervisor() as supervisor:
        supervisor.start(valkey)
        supervisor.start(worker, restart=Backoff())
        supervisor.run()            # until SIGINT, SIGTERM or SIGHUP

There is no thread in here: whoever waits calls `tick`, or lets `run` do it. A signal interrupts whatever is being
waited for, the services stop in reverse order, and a second signal kills them. That they also end when this interpreter
is killed is the work of `leash`.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from swapline_workers.local.child import Service, ending
from swapline_workers.local.errors import ChildFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TICK = 0.1
"""Seconds between two looks at the services: a person does not notice it, and ten polls a second cost nothing."""


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

    def delay(self, falls: int) -> float:
        """Give the wait after this many falls in a row, doubling from `first` to `most`."""
        return min(self.first * 2.0 ** (falls - 1), self.most)


@dataclass
class _Watched:
    service: Service
    backoff: Backoff | None
    up_since: float
    falls: int = 0
    due: float | None = None
    """When it is started again; None while it runs."""


class Supervisor:
    """Starts services, watches them, and stops them in reverse order."""

    def __init__(self, tell: Callable[[str], None] = lambda _sentence: None) -> None:
        """Give what happens to `tell`, a sentence each."""
        self._tell = tell
        self._watched: list[_Watched] = []
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
        self._watched.append(_Watched(service, restart, time.monotonic()))  # first, so that a signal finds it
        service.start()

    def run(self) -> None:
        """Watch until a signal comes, as StopRequested, or a service without restart ends, as ChildFailed."""
        while True:
            self.tick()
            time.sleep(_TICK)

    def tick(self) -> None:
        """Look at every service once, and start again what has fallen and is due.

        Raises ChildFailed when a service ended that is not to be started again.
        """
        for watched in self._watched:
            if watched.due is not None:
                self._start_again(watched, watched.due)
            elif (code := watched.service.poll()) is not None:
                self._note_fall(watched, f"{watched.service.name} {ending(code)}")

    def stop(self) -> None:
        """Stop all in reverse order. A signal that comes meanwhile turns stopping into killing."""
        hurry = False
        while self._watched:
            service = self._watched[-1].service
            try:
                if hurry:
                    service.kill()
                else:
                    service.stop()
                self._watched.pop()
            except StopRequested:
                hurry = True

    def _note_fall(self, watched: _Watched, what: str) -> None:
        now = time.monotonic()
        if watched.backoff is None:
            raise ChildFailed(f"{what}. Its log is {watched.service.log}.")
        watched.falls = 1 if now - watched.up_since > watched.backoff.calm else watched.falls + 1
        wait = watched.backoff.delay(watched.falls)
        watched.due = now + wait
        self._tell(f"{what}; it starts again in {wait:g} s. Its log is {watched.service.log}.")

    def _start_again(self, watched: _Watched, due: float) -> None:
        if time.monotonic() < due:
            return
        watched.due = None
        watched.up_since = time.monotonic()
        try:
            watched.service.start()
        except ChildFailed as error:
            self._note_fall(watched, str(error).split(".", maxsplit=1)[0])
        else:
            self._tell(f"{watched.service.name} runs again.")


def _request_stop(number: int, _frame: FrameType | None) -> None:
    raise StopRequested(number)
