"""Looks at Redis while a world runs: what must hold at every moment, and how long slots stay idle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simulation.samples import LATEST_DUE_S, Sample, Waiting
from swapline_producer.contract import Notification, State
from swapline_producer.ledger.accounts.registry import DEFAULT

if TYPE_CHECKING:
    from simulation.samples import Use
    from simulation.world import World

AT_VENDOR = {State.SUBMITTING, State.RUNNING}
EVERY_S = 2.5
TOO_LATE = re.compile("the vendor's id (.+) came too late")
"""What a step says that has a paid call's reply and no job for it."""
VERSIONED = frozenset({"accept", "advance", "claim", "line_up", "probe"})
"""Moves whose answers name versions of jobs."""
IDLE_BOUND_S = 40.0
"""Seconds that a slot may stay idle while a job waits and a worker lives that is not cut off. A lost first message is
rescued after RESCUE_AFTER = 15 s, at the next claim (5 s later at most), which may be 8 s late and fail; then the next
one is made 1 s and, after an outage, 1.5 s later, and may be 8 s late as well: 38.5 s."""


class Observer:
    """Samples a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.longest_idle = 0.0
        self.idle_seconds = 0.0
        self._idle_since: dict[str, float] = {}
        self._far_since: dict[str, float] = {}
        self.versions: dict[str, int] = {}
        """The highest that a move's answer had, by job."""
        self._written: dict[str, int] = {}
        """The version to which a change brought its job, by the change's token."""

    def forget(self) -> None:
        """Redis has lost its last writes."""
        self.versions.clear()
        self._written.clear()

    def watch(self) -> None:
        """Run as a fibre."""
        while True:
            self.world.sleep(EVERY_S if self.world.is_busy() else self.world.seconds_between_checks())
            self.check()

    def check(self) -> None:
        found = Sample(self.world)
        must = {*found.submitting, *found.running}
        slots = {job_id for use in found.accounts.values() for job_id in use.slots}
        if not must <= slots <= must | set(found.held):
            self._wrong(f"slots {sorted(slots)} are not of {sorted(must)} and some of {sorted(found.held)}")
        self._soon({*must, *found.storing} & set(found.late))
        judged = self._can_work() and self.world.faults.raging  # later on dispatchers sleep for ten minutes
        waiting = Waiting(self.world, found) if judged and any(use.free for use in found.accounts.values()) else None
        for name, use in found.accounts.items():
            self._cap(use)
            self._drained(use)
            self._left_out(use)
            self._idle(name, waiting.idle(use) if waiting else 0)

    def after_move(self, move: str, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        """Judge a move by its answer, at once."""
        if move in VERSIONED:
            self._versions(arguments.get("id", ""), answer)
        if move == "advance":
            self._slot(arguments, answer)
            self._repeated(arguments, answer)

    def _versions(self, job_id: str, answer: dict[str, Any]) -> None:
        """A job's version, which fences messages and writes, does not go back."""
        found = [(job_id, int(answer["version"]))] if "version" in answer else []
        found += [(one[0], int(one[2])) for one in answer.get("messages", ())]
        found += [(one[0], int(one[1])) for one in answer.get("granted") or ()]
        for each, version in found:
            if version < self.versions.get(each, 0):
                self._wrong(f"the version of {each} went back from {self.versions[each]} to {version}")
            self.versions[each] = version

    def _repeated(self, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        """A change whose reply got lost counts as written when it is sent again, unless the job has gone on."""
        job_id, token = arguments["id"], arguments["token"]
        if "version" in answer:
            self._written[token] = int(answer["version"])
        elif token in self._written:
            version: Any = self.world.server.hget(f"{self.world.prefix}:job:{job_id}", "version")
            if int(version or 0) == self._written[token]:
                self._wrong(f"a change of {job_id} was written, and is stale when it is sent again")

    def not_lost(self, job_id: str, reason: str) -> None:
        """A vendor's id is called lost, for which a person asks the vendor, only where the ledger does not have it."""
        known: Any = self.world.server.hget(f"{self.world.prefix}:job:{job_id}", "vendor_job_id")
        lost = TOO_LATE.match(reason)
        if lost and lost[1] == known and job_id not in self.world.operator.resolved:
            self._wrong(f"{job_id} has the id {known}, and its worker says that it came too late")

    def _slot(self, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        """A slot that a move freed was given to the next job that may have it, by the same move."""
        if arguments["state"] not in AT_VENDOR or arguments["to"] in AT_VENDOR or "version" not in answer:
            return
        name: Any = self.world.server.hget(f"{self.world.prefix}:job:{arguments['id']}", "account") or DEFAULT
        found = Sample(self.world)
        self._stands_again(arguments, found)
        use = found.accounts[name]
        if use.free and (idle := Waiting(self.world, found, in_line=True).idle(use)):
            self._wrong(f"{idle} slots of {name} are free after {arguments['id']}, and jobs stand in line for it")

    def _stands_again(self, arguments: dict[str, Any], found: Sample) -> None:
        """A job that one account has refused, for no fault of its own, stands in line for another one that is well."""
        job_id = arguments["id"]
        if (arguments.get("trip") or {}).get("kind", "input") == "input":
            return
        waiting, in_line = Waiting(self.world, found), Waiting(self.world, found, in_line=True)
        for use in found.accounts.values():
            if use.well and waiting.could(use, job_id) and not in_line.could(use, job_id):
                self._wrong(f"{job_id} was refused, and does not stand in line for {use.account.name}, which is well")

    def _drained(self, use: Use) -> None:
        """No job is given to a drained account. Where Redis's clock was set, its moments say nothing."""
        since = use.account.drained_at
        if not use.drained or since is None or self.world.jumped:
            return
        for job_id, given_at in use.slots.items():
            if given_at > since and not self._came_late(job_id):
                self._wrong(f"{job_id} was given a slot of {use.account.name}, which is drained")

    def _left_out(self, use: Use) -> None:
        """An account that workers need not know has no jobs."""
        if use.left_out and (mine := [job_id for job_id in use.slots if not self._came_late(job_id)]):
            self._wrong(f"{mine} have slots of {use.account.name}, which is left out")

    def _soon(self, late: set[str]) -> None:
        """Jobs at work may be due late for as long only as it is unnoticeable, as after a step of Redis's clock."""
        now = self.world.scheduler.now
        self._far_since = {job_id: self._far_since.get(job_id, now) for job_id in late} if self._can_work() else {}
        for job_id, since in self._far_since.items():
            if now - since > IDLE_BOUND_S:
                self._wrong(f"{job_id} is at work, and due more than {LATEST_DUE_S:.0f} s from now")

    def _idle(self, name: str, idle: int) -> None:
        now = self.world.scheduler.now
        if idle <= 0:
            self._idle_since.pop(name, None)
            return
        stretch = now - self._idle_since.setdefault(name, now)
        if not stretch:
            return
        self.idle_seconds += EVERY_S * idle
        self.longest_idle = max(self.longest_idle, stretch)
        if stretch > IDLE_BOUND_S:
            self._wrong(f"{idle} slots of {name} idle for {stretch:.0f} s while jobs wait and a worker lives")

    def _can_work(self) -> bool:
        now = self.world.scheduler.now
        return any(
            not (worker.dead or worker.draining or worker.stopped_until > now or worker.cut_until.get("redis", 0) > now)
            for worker in self.world.workers
        )

    def _cap(self, use: Use) -> None:
        over = len(use.slots) - use.account.slots
        if over > 0:
            late = [job_id for job_id in use.slots if self._came_late(job_id)]
            if len(late) < over:
                name, most = use.account.name, use.account.slots
                self._wrong(f"{len(use.slots)} slots of {name} are taken, {most} may be: {sorted(use.slots)}")

    def _came_late(self, job_id: str) -> bool:
        """Whether it turned out to be at the vendor after its slot had been given up, or forgotten."""
        if job_id in self.world.restarts.forgotten:
            return True
        log: Any = self.world.server.lrange(f"{self.world.prefix}:log:{job_id}", 0, -1)
        names = [line.partition('"name":"')[2].partition('"')[0] for line in log]
        given_up = ("held", "ambiguous", "not submitted", "slot.released")
        return not {"submitted", "resolved"}.isdisjoint(names) and not set(given_up).isdisjoint(names)

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
