"""What the Lua moves should do, in plain Python: the oracle of `integration/ledger/test_lua_moves.py`.

Which change leads where is the contract's (`transitions`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.ledgers.inputs_model import Inputs
from swapline_producer.contract import Job, Notification, State, Step, StoredImage
from swapline_producer.contract.transitions import apply, holds_slot
from swapline_producer.storage.keys import result_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swapline_producer.contract.changes import Change, Polled

RESCUE_MS = 15_000
INPUT_TTL_MS = 40_000
AT_WORK_MS = 2_000
FRESH = 0.8
DAY_MS = 86_400_000
CREDITS = 2
PRIORITIES = ("high", "normal", "low")


@dataclass
class Model:
    """Jobs, slots, waiting lines and times, as the documentation tells them."""

    cap: int
    at: int
    jobs: dict[str, Job] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    slots: set[str] = field(default_factory=set)
    lines: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(priority, tenant) -> the jobs that wait."""
    tags: dict[str, dict[str, int]] = field(default_factory=lambda: {priority: {} for priority in PRIORITIES})
    """priority -> tenant -> start tag."""
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    spent: int = 0
    claimed_at: int | None = None
    inputs: Inputs = field(default_factory=lambda: Inputs(INPUT_TTL_MS))

    # -- moves: each returns what the Lua file answers --------------------------------------------------------

    def accept(
        self, job: Job, key: str | None, stored_after: int | None = None
    ) -> tuple[str, bool, list[tuple[str, int]] | None] | None:
        """The id and whether it is new; jobs with a new slot, or None where a message is sent instead.

        None: its input may be deleted by now.
        """
        tenant, image = job.spec.tenant, job.spec.image
        if job.job_id in self.jobs:
            return job.job_id, True, None
        sha = image.sha256 if isinstance(image, StoredImage) else None
        held = sha is not None and self.inputs.refer(sha, job.job_id, stored_after)
        if key and (tenant, key) in self.keys:
            if sha and held:
                self.inputs.release(sha, self.at)
            return self.keys[tenant, key], False, None
        if sha and not held:
            return None
        if sha:
            self.inputs.referring[job.job_id] = sha
        if key:
            self.keys[tenant, key] = job.job_id
        self.jobs[job.job_id] = job
        if self.claimed_at is None or self.claimed_at <= self.at - AT_WORK_MS:
            self.due[job.job_id] = self.at + RESCUE_MS
            return job.job_id, True, None
        self._join(job)
        self.due[job.job_id] = job.queue_until
        return job.job_id, True, self._grant()

    def line_up(self, job: Job) -> list[tuple[str, int]] | None:
        """None: stale."""
        now = self.jobs[job.job_id]
        if now.state is not State.QUEUED or now.version != job.version:
            return None
        self._join(now)
        self.due[job.job_id] = now.queue_until
        return self._grant()

    def open(self, job_id: str, version: int) -> Job | None:
        """None: stale."""
        job = self.jobs[job_id]
        if job.version != version:
            return None
        if job_id in self.due and self.due[job_id] < self.at + RESCUE_MS * FRESH:
            self.due[job_id] = self.at + RESCUE_MS
        return job

    def advance(self, job: Job, change: Change) -> tuple[Job, list[tuple[str, int]]] | str | None:
        """The job and those with a new slot; how it is to be canceled, where it was read before that; None: stale."""
        now = self.jobs[job.job_id]
        if (now.state, now.version) != (job.state, job.version):
            return None
        if now.canceling != job.canceling:
            return str(now.canceling)
        moved = apply(now, change, self.at)
        if now.state is State.QUEUED:
            if moved.state is not State.QUEUED and moved.attempts > now.attempts:
                self.spent += CREDITS
            if moved.state is not State.QUEUED:
                self._leave(now)
        self.jobs[job.job_id] = moved
        if moved.state.finished:
            self.inputs.leave(job.job_id, self.at, kept=moved.state is not State.SUCCEEDED)
        if moved.state.finished and now.state is State.STORING:  # what was stored of it
            self.inputs.unneeded[result_folder(now)] = self.at
        (self.slots.add if holds_slot(now, change) else self.slots.discard)(job.job_id)
        if change.in_line:
            self._join(moved)
        self._set_due(moved, change)
        if change.refund:
            self.spent -= CREDITS
        return moved, self._grant()

    def write_polls(self, polled: Sequence[Polled]) -> set[str]:
        """The part of a claim that writes polls without news: the jobs that their worker need not read again."""
        written = set()
        for job, change, _, age in polled:
            now, then = self.jobs[job.job_id], self.at - round(age * 1000)
            if (now.state, now.version) == (State.RUNNING, job.version):
                self.jobs[job.job_id] = apply(now, change, then)
                due = max(self.at, then + round((change.due_in or 0.0) * 1000))
                self.due[job.job_id] = min(due, now.run_until or due)
                written |= set() if now.canceling else {job.job_id}
        return written

    def claim(
        self, routes: Mapping[str, Step], limit: int
    ) -> tuple[list[tuple[str, Step, int]], list[tuple[str, int]]]:
        """The messages of what is due, and jobs with a new slot."""
        messages = []
        for job_id in sorted((job_id for job_id, at in self.due.items() if at <= self.at), key=self._due_order)[:limit]:
            job = self.jobs[job_id]
            if job.state is State.HELD and job.slot and self.at >= (job.run_until or 0):
                job = self.jobs[job_id] = job.model_copy(update={"slot": False, "version": job.version + 1})
                self.slots.discard(job_id)
            step = self._step(job, routes)
            if step is None:
                self.due[job_id] = self.at + DAY_MS
                continue
            self.due[job_id] = self.at + RESCUE_MS
            messages.append((job_id, step, job.version))
        self.claimed_at = self.at
        return messages, self._grant()

    def renew(self, jobs: list[tuple[str, int]]) -> None:
        """Put rescues off."""
        for job_id, version in jobs:
            if self.jobs[job_id].version == version and job_id in self.due:
                self.due[job_id] = max(self.due[job_id], self.at + RESCUE_MS)

    def release(self, jobs: list[tuple[str, int]]) -> tuple[int, int]:
        """How many are due at once for others, and how many are in a paid call."""
        released = paying = 0
        for job_id, version in jobs:
            job = self.jobs[job_id]
            if job.attempt_open and job.state is State.SUBMITTING:
                paying += 1
            elif job.version == version and job_id in self.due:
                self.jobs[job_id] = job.model_copy(update={"version": version + 1})
                self.due[job_id] = min(self.at, self.due[job_id])
                released += 1
        return released, paying

    def cancel(self, job: Job, how: str) -> bool:
        """Whether it is marked."""
        now = self.jobs[job.job_id]
        there = now.state in {State.RUNNING, State.STORING}
        there = there or (now.state is State.SUBMITTING and now.attempt_open) or (now.state is State.HELD and now.slot)
        if now.state is not job.state or not there:
            return False
        self.jobs[job.job_id] = now.model_copy(update={"canceling": how})
        return True

    # -- the waiting line -------------------------------------------------------------------------------------

    def _join(self, job: Job) -> None:
        priority, tenant = job.spec.priority.value, job.spec.tenant
        self.lines.setdefault((priority, tenant), set()).add(job.job_id)
        if tenant not in self.tags[priority]:
            self._to_the_end(priority, tenant)

    def _leave(self, job: Job) -> None:
        priority, tenant = job.spec.priority.value, job.spec.tenant
        line = self.lines.get((priority, tenant), set())
        line.discard(job.job_id)
        if not line:
            self.tags[priority].pop(tenant, None)

    def _to_the_end(self, priority: str, tenant: str) -> None:
        self.tags[priority][tenant] = max(self.tags[priority].values(), default=0) + 1

    def _grant(self) -> list[tuple[str, int]]:
        granted = []
        while len(self.slots) < self.cap:
            priority = next((each for each in PRIORITIES if self.tags[each]), None)
            if priority is None:
                break
            tenant = min(self.tags[priority], key=lambda name: (self.tags[priority][name], name))
            line = self.lines[priority, tenant]
            job = self.jobs[min(line, key=lambda job_id: (self.jobs[job_id].created_at, job_id))]
            line.discard(job.job_id)
            goes = job.state is State.QUEUED and self.at < job.queue_until
            if not line:
                self.tags[priority].pop(tenant)
            elif goes:
                self._to_the_end(priority, tenant)
            if goes:
                granted.append(self._give(job))
        return granted

    def _give(self, job: Job) -> tuple[str, int]:
        moved = job.model_copy(update={"state": State.SUBMITTING, "version": job.version + 1, "slot": True})
        self.jobs[job.job_id] = moved
        self.slots.add(job.job_id)
        self.due[job.job_id] = self.at + RESCUE_MS
        self.spent += CREDITS
        return job.job_id, moved.version

    # -- times ------------------------------------------------------------------------------------------------

    def _set_due(self, job: Job, change: Change) -> None:
        due = None if change.due_in is None else self.at + round(change.due_in * 1000)
        if change.due_by:
            latest = getattr(job, change.due_by)
            due = latest if due is None else min(due, latest)
        if due is None:
            self.due.pop(job.job_id, None)
        else:
            self.due[job.job_id] = due

    def _due_order(self, job_id: str) -> tuple[int, str]:
        return self.due[job_id], job_id

    @staticmethod
    def _step(job: Job, routes: Mapping[str, Step]) -> Step | None:
        if job.state is State.HELD and not job.slot and job.canceling:
            return routes["HELD+canceling"]
        pending = routes.get(f"{job.state}+pending") if job.notification is Notification.PENDING else None
        return pending or routes.get(job.state)
