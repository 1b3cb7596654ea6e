"""Simulated time: fibres that sleep in it, and the loop that wakes them in order."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Protocol, cast

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # it ships no types

if TYPE_CHECKING:
    from collections.abc import Callable


class Killed(BaseException):
    """The process of this fibre died: nothing catches this."""


class Owner(Protocol):
    """The process of a fibre."""

    epoch: int
    stopped_until: float


class Fibre(greenlet):  # type: ignore[misc]  # the same
    """One thread of a simulated process."""

    def __init__(self, run: Callable[[], None], owner: Owner | None, parent: greenlet) -> None:
        super().__init__(run, parent)
        self.owner = owner
        self.epoch = owner.epoch if owner else 0
        self.wakeup = 0
        self.wake_at = 0.0
        self.stands_still = False
        """Whether it was due while its machine stood still, and goes on with it."""
        self.working: str | None = None
        """The job whose step this fibre works on, or the id of the next job that it makes."""
        self.ids: deque[str] = deque()
        """The ids of the next jobs, where it makes several."""
        self.sleep: Callable[[float], None] = _asleep_nowhere
        """Lets simulated time pass."""
        self.paying: str | None = None
        """The job whose paid call, with the writes around it, this fibre has under way."""
        self.keeps = False
        """Whether it keeps the attempts of all paid calls of its process."""
        self.answered = False
        """Whether that call has ended for the fibre, with a reply or without one."""


def _asleep_nowhere(seconds: float) -> None:
    raise AssertionError(f"{seconds} s were to pass outside a scheduler")


class Scheduler:
    """Runs one fibre at a time, in the order of simulated time (seconds)."""

    def __init__(self) -> None:
        self.now = 0.0
        self.failures: list[Exception] = []
        self._hub = getcurrent()
        self._heap: list[tuple[float, int, Fibre, int]] = []
        self._sequence = 0

    def current(self) -> Fibre | None:
        """The fibre that runs; None in the loop itself."""
        here = getcurrent()
        return here if isinstance(here, Fibre) else None

    def spawn(self, run: Callable[[], None], owner: Owner | None = None, *, after: float = 0.0) -> Fibre:
        """Start a fibre `after` seconds."""

        def guarded() -> None:
            try:
                run()
            except Killed:
                pass
            except Exception as error:  # noqa: BLE001 -- the world's checker reports it
                self.failures.append(error)

        fibre = Fibre(guarded, owner, self._hub)
        fibre.sleep = self.sleep
        self.wake(fibre, self.now + after)
        return fibre

    def wake(self, fibre: Fibre, at: float) -> None:
        """Let a fibre go on at a moment; an earlier appointment is forgotten."""
        fibre.wakeup += 1
        fibre.wake_at = at
        self._sequence += 1
        heapq.heappush(self._heap, (at, self._sequence, fibre, fibre.wakeup))

    def stop(self, owner: Owner, until: float) -> None:
        """Have a machine stand still until then: a stop within a longer one ends with the longer one."""
        owner.stopped_until = max(owner.stopped_until, until)

    def resume(self, owner: Owner, at: float) -> None:
        """Have a machine go on then at the latest, with all its fibres that stand still."""
        owner.stopped_until = min(owner.stopped_until, at)
        for fibre in dict.fromkeys(entry[2] for entry in self._heap):  # in the same order each time
            if fibre.owner is owner and fibre.stands_still and fibre.wake_at > at:
                self.wake(fibre, at)

    def sleep(self, seconds: float) -> None:
        """Let simulated time pass for this fibre."""
        fibre = cast("Fibre", getcurrent())
        self.wake(fibre, self.now + seconds)
        self._hub.switch()

    def step(self) -> bool:
        """Run the next fibre to its next sleep; False where none is left."""
        while self._heap:
            at, _, fibre, wakeup = heapq.heappop(self._heap)
            if wakeup != fibre.wakeup or fibre.dead:
                continue
            self.now = max(self.now, at)
            owner = fibre.owner
            if owner is not None and owner.epoch != fibre.epoch:
                if fibre:
                    fibre.throw(Killed)
                else:
                    fibre.wakeup += 1
                continue
            if owner is not None and owner.stopped_until > self.now:
                fibre.stands_still = True
                self.wake(fibre, owner.stopped_until)
                continue
            fibre.stands_still = False
            fibre.switch()
            return True
        return False

    def abandon(self) -> None:
        """Unwind all fibres that are left: the world is over."""
        left, self._heap = self._heap, []
        for _, _, fibre, _ in left:
            if fibre and not fibre.dead:
                fibre.throw(Killed)
