"""Looks at Redis while a world runs: what must hold at every moment, and how long slots stay idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapline_producer.contract import Notification, State

if TYPE_CHECKING:
    from simulation.world import World

EVERY_S = 2.5
RESTING_EVERY_S = 60.0
"""Later after the storm, when only webhooks and HELD jobs' slots are waited for."""
IDLE_BOUND_S = 40.0
"""Seconds that a slot may stay idle while a job waits and a worker lives that is not cut off. A lost first message is
rescued after RESCUE_AFTER = 15 s, at the next claim (5 s later at most), which may be 8 s late and fail; then the next
one is made 1 s and, after an outage, 1.5 s later, and may be 8 s late as well: 38.5 s."""


LATEST_DUE_S = 70.0
"""Seconds within which a step is due again where the vendor has the job: a store that is away is tried each minute."""


class Observer:
    """Samples a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.longest_idle = 0.0
        self.idle_seconds = 0.0
        self._idle_since: float | None = None
        self._far_since: dict[str, float] = {}

    def watch(self) -> None:
        """Run as a fibre."""
        while True:
            self.world.sleep(EVERY_S if self.world.is_busy() else RESTING_EVERY_S)
            self.check()

    def check(self) -> None:
        server, prefix = self.world.server, self.world.prefix
        with server.pipeline(transaction=False) as pipe:
            for state in (State.SUBMITTING, State.RUNNING, State.HELD):
                pipe.zrange(f"{prefix}:state:{state}", 0, -1)
            pipe.zrange(f"{prefix}:slots", 0, -1)
            pipe.zcard(f"{prefix}:state:QUEUED")
            pipe.zcard(f"{prefix}:refused")
            pipe.hgetall(f"{prefix}:limits")
            pipe.hgetall(f"{prefix}:breaker")
            pipe.exists(f"{prefix}:store")
            pipe.zrange(f"{prefix}:state:{State.STORING}", 0, -1)
            far = self.world.server_now() + LATEST_DUE_S * 1000
            pipe.zrange(f"{prefix}:due", str(far), "+inf", byscore=True)
            submitting, running, held, slots, queued, refused, limits, breaker, store, storing, late = pipe.execute()
        must = {*submitting, *running}
        if not must <= set(slots) <= must | set(held):
            self._wrong(f"slots {sorted(slots)} are not of {sorted(must)} and some of {sorted(held)}")
        self._cap(slots)
        self._soon({*must, *storing} & set(late))
        used = min(self.world.slots, int(limits.get("cap", self.world.slots)))
        stopped = store or "trips" in breaker
        self._idle(0 if stopped else min(queued - refused, used - len(slots)))

    def _soon(self, late: set[str]) -> None:
        """Jobs at work may be due late for as long only as it is unnoticeable, as after a step of Redis's clock."""
        now = self.world.scheduler.now
        self._far_since = {job_id: self._far_since.get(job_id, now) for job_id in late} if self._can_work() else {}
        for job_id, since in self._far_since.items():
            if now - since > IDLE_BOUND_S:
                self._wrong(f"{job_id} is at work, and due more than {LATEST_DUE_S:.0f} s from now")

    def _idle(self, idle: int) -> None:
        now = self.world.scheduler.now
        if idle <= 0 or not self._can_work():
            self._idle_since = None
            return
        if self._idle_since is None:
            self._idle_since = now
            return
        stretch = now - self._idle_since
        self.idle_seconds += EVERY_S * idle
        self.longest_idle = max(self.longest_idle, stretch)
        if stretch > IDLE_BOUND_S:
            self._wrong(f"{idle} slots idle for {stretch:.0f} s while jobs wait and a worker lives")

    def _can_work(self) -> bool:
        now = self.world.scheduler.now
        return any(
            not (worker.dead or worker.draining or worker.stopped_until > now or worker.cut_until.get("redis", 0) > now)
            for worker in self.world.workers
        )

    def _cap(self, slots: list[str]) -> None:
        over = len(slots) - self.world.slots
        if over > 0:
            late = [job_id for job_id in slots if self._came_late(job_id)]
            if len(late) < over:
                self._wrong(f"{len(slots)} slots are taken, {self.world.slots} may be: {sorted(slots)}")

    def _came_late(self, job_id: str) -> bool:
        """Whether it turned out to be at the vendor after its slot had been given up, or forgotten."""
        if job_id in self.world.restarts.forgotten:
            return True
        log: Any = self.world.server.lrange(f"{self.world.prefix}:log:{job_id}", 0, -1)
        names = [line.partition('"name":"')[2].partition('"')[0] for line in log]
        return "submitted" in names and any(name in names for name in ("held", "not submitted", "slot.released"))

    def _wrong(self, what: str) -> None:
        self.world.wrong.append(what)

    def restless(self) -> list[str]:
        """Jobs that are due, but for HELD ones that wait for a person, and those that hold slots."""
        server, prefix = self.world.server, self.world.prefix
        due: Any = server.zrange(f"{prefix}:due", 0, -1)
        found = []
        for job_id in due:
            fields: Any = server.hmget(f"{prefix}:job:{job_id}", "state", "notification", "slot", "canceling")
            state, pending, slot, canceling = fields
            if state != State.HELD or pending == Notification.PENDING or slot == "1" or canceling:
                found.append(f"{job_id} {state} {pending}")
        return found

    def all_rest(self) -> bool:
        """Whether every job has come to rest, or is HELD for a person."""
        server, prefix = self.world.server, self.world.prefix
        if self.world.server.zcard(f"{prefix}:slots") or server.zcard(f"{prefix}:state:QUEUED"):
            return False
        return not self.restless() and not any(worker.busy for worker in self.world.workers)
