"""Which delivery may go now, so that no receiver holds more of this process's threads than it deserves.

A thread that waits for a receiver can do nothing else, and the threads are shared with submissions and looks. So
deliveries have a number of lanes. A host whose last delivery was accepted soon is brisk and may use most of them; one
that is new, two; one that is slow, one or two, and all slow ones together a quarter. A host that fails several times in
a row is left alone for twice as long as its failure took (its breaker is open), then one delivery at a time tries it:
so a host that hangs costs a third of one thread, and one that refuses at once costs nothing and waits for nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

SLOW = 1.0
"""Seconds: a receiver that puts the work aside, as ours are told to, answers in less."""

FAILURES = 3
"""In a row: one or two may be chance, or a restart."""

REST = 2.0
"""Times the duration of the last failure that a host is left alone."""

LONGEST_REST = 30.0
"""Seconds: short beside the schedule of attempts, whose second wait is five minutes."""

BUSY, CROWDED = 0.2, 1.0
"""Seconds until a delivery that found no lane asks again: to a brisk host, and to a slow one."""

APART, CLOSE = 0.05, 0.01
"""Seconds between two deliveries to one host that ask again: twenty a second cost a process some 5 % of its time. They
are closer to a brisk host, where most of them will go."""

REMEMBERED = 1000
"""Hosts: a few hundred bytes each."""


class HostHealth(Enum):
    """What is known of a host."""

    FAST = "brisk"
    NEW = "new"
    SLOW = "slow"


@dataclass(slots=True, eq=False)  # two that begin in the same moment are two all the same
class DeliveryPermit:
    """A place for one delivery, or (`wait` > 0, seconds) none now. Whoever is in it says whether it `failed`."""

    host: str
    wait: float = 0.0
    failed: bool = False
    began: float = 0.0


@dataclass(slots=True)
class _Host:
    under_way: list[DeliveryPermit] = field(default_factory=list)
    took: float | None = None
    failures: int = 0
    rests_until: float = 0.0
    next_place: float = 0.0

    def health(self, now: float) -> HostHealth:
        if any(now - permit.began > SLOW for permit in self.under_way):
            return HostHealth.SLOW
        if self.took is None or (self.failures and self.took <= SLOW):
            return HostHealth.NEW
        return HostHealth.SLOW if self.took > SLOW else HostHealth.FAST


class DeliveryBulkhead:
    """The lanes of one process. May be used from several threads."""

    def __init__(self, number: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Have so many lanes. `clock` gives seconds."""
        self._number = max(1, number)
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def resize(self, number: int) -> None:
        """Have so many lanes from now on."""
        self._number = max(1, number)

    @contextmanager
    def permit(self, host: str) -> Generator[DeliveryPermit]:
        """Take a lane to a host for the length of a block, or be told to wait."""
        permit = self._enter(host)
        try:
            yield permit
        finally:
            if not permit.wait:
                self._leave(permit)

    def _enter(self, name: str) -> DeliveryPermit:
        now = self._clock()
        with self._lock:
            host = self._hosts.get(name) or self._remember(name)
            health = host.health(now)
            if now < host.rests_until or not self._has_room(host, health, now):
                return DeliveryPermit(name, wait=self._place(host, health, now))
            permit = DeliveryPermit(name, began=now)
            host.under_way.append(permit)
            return permit

    def _leave(self, permit: DeliveryPermit) -> None:
        now = self._clock()
        with self._lock:
            host = self._hosts[permit.host]
            host.under_way.remove(permit)
            host.took = now - permit.began
            host.failures = host.failures + 1 if permit.failed else 0
            if host.health(now) is HostHealth.FAST:
                host.next_place = 0.0  # it answers again: who comes now need not stand behind those of before
            if host.failures >= FAILURES:
                host.rests_until = now + min(REST * host.took, LONGEST_REST)

    def _has_room(self, host: _Host, health: HostHealth, now: float) -> bool:
        used = Counter({health: 0})
        for other in self._hosts.values():
            if other.under_way:
                used[other.health(now)] += len(other.under_way)
        mine, quarter = len(host.under_way), self._number // 4
        if used.total() >= self._number:
            return False
        if health is HostHealth.FAST:
            return mine < max(1, self._number - quarter)
        if used.total() >= max(1, self._number - quarter):  # what is left is for those that will not keep it long
            return False
        if health is HostHealth.NEW:
            return mine < 2 and used[health] < max(1, self._number // 2)  # noqa: PLR2004 -- the first may be the slow one
        return mine < (1 if host.failures else 2) and used[health] < max(1, quarter)

    def _place(self, host: _Host, health: HostHealth, now: float) -> float:
        """Seconds until a delivery is to ask again: one after the other, so that they do not come all at once."""
        soonest = max(now + (CROWDED if health is HostHealth.SLOW else BUSY), host.rests_until, host.next_place)
        host.next_place = soonest + (CLOSE if health is HostHealth.FAST else APART)
        return soonest - now

    def _remember(self, name: str) -> _Host:
        if len(self._hosts) >= REMEMBERED:
            idle = next((name for name, host in self._hosts.items() if not host.under_way), None)
            if idle is not None:
                del self._hosts[idle]
        self._hosts[name] = _Host()
        return self._hosts[name]
