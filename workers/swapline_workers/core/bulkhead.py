"""Shares of deliveries, so that no receiver takes all threads of this process.

Fast hosts (last delivery accepted within a second) share `number` places, each up to three quarters. A new host has
one, a slow one two, or one after a failure; all slow ones a quarter. Three failures in a row open a host's breaker.
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

FAILURES = 3
"""Failures in a row that open a breaker; one or two may be a restart."""

OPEN_FACTOR = 2.0
"""Breaker's time per duration of the last failure."""

LONGEST_OPEN_S = 30.0
"""Short beside the third attempt, after five minutes."""

BUSY, CROWDED = 0.2, 1.0
"""Seconds until a refused delivery is tried again, and one to a slow host."""

APART, CLOSE = 0.05, 0.01
"""Seconds between retries to one host, and to a fast one.

Twenty a second cost a process 5 % of its time.
"""

SLOW_APART_S = 0.02

REMEMBERED = 1000


class HostHealth(Enum):
    """A host's last answers."""

    FAST = "fast"
    NEW = "new"
    SLOW = "slow"


@dataclass(slots=True, eq=False)  # two that begin at the same time count as two
class DeliveryPermit:
    """Of one delivery; with `wait` > 0 (seconds) a refusal. The caller sets `failed`."""

    host: str
    wait: float = 0.0
    failed: bool = False
    began: float = 0.0


@dataclass(slots=True)
class _Host:
    under_way: list[DeliveryPermit] = field(default_factory=list)
    took: float | None = None
    failures: int = 0
    breaker_open_until: float = 0.0
    next_retry_at: float = 0.0

    def health(self, now: float) -> HostHealth:
        if any(now - permit.began > SLOW for permit in self.under_way):
            return HostHealth.SLOW
        if self.took is None or (self.failures and self.took <= SLOW):
            return HostHealth.NEW
        return HostHealth.SLOW if self.took > SLOW else HostHealth.FAST


class DeliveryBulkhead:
    """The deliveries of one process. Thread-safe."""

    def __init__(self, number: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._number = self._places = max(1, number)
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._slow_retry_at = 0.0
        self._lock = threading.Lock()

    def resize(self, number: int) -> None:
        """Allow `number` deliveries at once from now on."""
        self._number = self._places = max(1, number)

    def widen(self, places: int) -> None:
        """Allow `places` deliveries, with those to new and slow hosts."""
        self._places = max(self._number, places)

    @contextmanager
    def permit(self, host: str) -> Generator[DeliveryPermit]:
        """Admit one delivery to a host, or refuse it."""
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
            if now < host.breaker_open_until or not self._has_room(host, health, now):
                return DeliveryPermit(name, wait=self._retry_after(host, health, now))
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
                host.next_retry_at = 0.0  # it answers again: new deliveries pass refused ones
            if host.failures >= FAILURES:
                host.breaker_open_until = now + min(OPEN_FACTOR * host.took, LONGEST_OPEN_S)

    def _has_room(self, host: _Host, health: HostHealth, now: float) -> bool:
        """Whether one more delivery may begin: see the module's docstring."""
        used = Counter({health: 0})
        for other in self._hosts.values():
            if other.under_way:
                used[other.health(now)] += len(other.under_way)
        mine, quarter = len(host.under_way), self._places // 4
        if used.total() >= self._places:
            return False
        if health is HostHealth.FAST:
            return mine < max(1, self._number - self._number // 4) and used[health] < self._number
        if used.total() >= max(1, self._places - quarter):  # the rest is for fast hosts
            return False
        if health is HostHealth.NEW:
            return mine < 1 and used[health] < max(1, self._places // 2)
        return mine < (1 if host.failures else 2) and used[health] < max(1, quarter)

    def _retry_after(self, host: _Host, health: HostHealth, now: float) -> float:
        soonest = max(now + BUSY, host.breaker_open_until, host.next_retry_at)
        if health is HostHealth.SLOW:
            self._slow_retry_at = max(now + CROWDED, self._slow_retry_at + SLOW_APART_S)
            soonest = max(soonest, self._slow_retry_at)
        host.next_retry_at = soonest + (CLOSE if health is HostHealth.FAST else APART)
        return soonest - now

    def _remember(self, name: str) -> _Host:
        if len(self._hosts) >= REMEMBERED:
            idle = next((name for name, host in self._hosts.items() if not host.under_way), None)
            if idle is not None:
                del self._hosts[idle]
        self._hosts[name] = _Host()
        return self._hosts[name]
