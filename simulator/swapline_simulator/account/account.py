"""The vendor's account: running and waiting jobs, charges. Pure: time is a parameter.

A running job occupies one of the account's `cap` slots. All times follow from earlier times, so it does not matter how
late `settle` is called.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swapline_simulator.api.orders import Refusal
from swapline_simulator.enums import CREDITS_PER_JOB, ApiVersion, OverCap, Status
from swapline_simulator.rng import stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_simulator.api.intake import Photograph
    from swapline_simulator.api.orders import Order
    from swapline_simulator.config import SimulatorConfig

QUEUE_SHARE = 0.1
"""The share of its service time for which a job still has the status IN_QUEUE."""


class OverCapRefusal(Refusal):
    """All slots of the account are taken."""


@dataclass(eq=False)
class VendorJob:
    """One accepted submission. Times are seconds since the epoch."""

    job_id: str
    ordinal: int
    order: Order
    image_sha256: str
    image_url: str | None
    photograph: Photograph | None
    """None once the result has expired."""
    service: float
    """Seconds in a slot."""
    fails: bool
    submitted_at: float
    over_cap: bool
    started_at: float | None = None
    done_at: float | None = None
    """Known as soon as the job has started."""
    polls: int = 0
    first_seen_done_at: float | None = None

    def status(self, now: float) -> Status:
        """Return the status at a time."""
        if self.started_at is None or self.done_at is None or now < self.started_at + QUEUE_SHARE * self.service:
            return Status.IN_QUEUE
        if now < self.done_at:
            return Status.IN_PROGRESS
        return Status.FAILED if self.fails else Status.COMPLETED


@dataclass
class Account:
    """The account's state. Call `settle` with the current time before reading it."""

    config: SimulatorConfig
    on_done: Callable[[VendorJob], None] = field(default=lambda _job: None)
    """Called with each job when it is done."""
    epoch: int = 0
    """Number of resets: earlier jobs are unknown."""
    spent: int = 0
    over_cap: int = 0
    """Submissions that came when all slots were taken."""
    max_in_flight: int = 0
    jobs: dict[str, VendorJob] = field(default_factory=dict)
    """In order of acceptance, including jobs whose results have expired."""
    _running: list[tuple[float, int, VendorJob]] = field(default_factory=list)
    _waiting: deque[VendorJob] = field(default_factory=deque)
    _finished: deque[VendorJob] = field(default_factory=deque)
    """Finished jobs whose results have not expired, oldest first."""

    def __post_init__(self) -> None:
        """Credit the account."""
        self.credits_left = self.config.credits

    @property
    def in_flight(self) -> int:
        """Accepted jobs that are not done."""
        return len(self._running) + len(self._waiting)

    @property
    def next_change(self) -> float | None:
        """When the next job is done; None while nothing runs."""
        return self._running[0][0] if self._running else None

    def admit(self, now: float) -> None:
        """Check that one more job is allowed.

        Raises Refusal: 402 without credits; above the cap 429 or 400, unless such jobs queue.
        """
        self.settle(now)
        if self.credits_left < CREDITS_PER_JOB:
            raise Refusal(402, "INSUFFICIENT_CREDITS", f"A request costs {CREDITS_PER_JOB} credits; buy more.")
        if self.in_flight < self.config.cap:
            return
        self.over_cap += 1
        sentence = f"This plan allows {self.config.cap} jobs at a time."
        if self.config.over_cap is OverCap.BAD_REQUEST:
            raise OverCapRefusal(400, "TOO_MANY_JOBS", sentence)
        if self.config.over_cap is not OverCap.QUEUE:
            raise OverCapRefusal(429, "TOO_MANY_REQUESTS", sentence)

    def accept(self, order: Order, photograph: Photograph, now: float) -> VendorJob:
        """Charge a job and start it, or queue it. Its random draws depend on the seed and its number only."""
        ordinal = len(self.jobs)
        seed = self.config.seed
        job = VendorJob(
            job_id=self._job_id(ordinal),
            ordinal=ordinal,
            order=order,
            image_sha256=photograph.sha256,
            image_url=photograph.url,
            photograph=photograph,
            service=self.config.service_time.draw(stream(seed, "service", ordinal)),
            fails=stream(seed, "fate", ordinal).random() < self.config.fail_rate,
            submitted_at=now,
            over_cap=self.in_flight >= self.config.cap,
        )
        self.spent += CREDITS_PER_JOB
        self.credits_left -= CREDITS_PER_JOB
        self.jobs[job.job_id] = job
        self._waiting.append(job)
        self.settle(now)
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        return job

    def settle(self, now: float) -> None:
        """Apply everything that has happened by `now`."""
        while self._running and self._running[0][0] <= now:
            at, _, job = heappop(self._running)
            self._finished.append(job)
            self.on_done(job)
            self._start_waiting(at)
        self._start_waiting(now)
        while self._finished and (self._finished[0].done_at or 0) + self.config.result_ttl < now:
            self._finished.popleft().photograph = None

    def finish(self, now: float) -> None:
        """End every running job now, whatever its service time; waiting jobs start."""
        for _, _, job in self._running:
            job.service = now - (job.started_at or now)
            job.done_at = now
        self._running = sorted((now, ordinal, job) for _, ordinal, job in self._running)
        self.settle(now)

    def find(self, job_id: str, version: ApiVersion) -> VendorJob | None:
        """Return a job of this API version whose result has not expired."""
        job = self.jobs.get(job_id)
        return job if job and job.order.version is version and job.photograph else None

    def before(self, job: VendorJob) -> VendorJob:
        """Return the job accepted before this one; the first returns itself."""
        return list(self.jobs.values())[max(0, job.ordinal - 1)]

    def retune(self, config: SimulatorConfig, now: float) -> None:
        """Change the configuration. Running jobs keep their service time."""
        self.config = config
        self.settle(now)

    def _start_waiting(self, at: float) -> None:
        while self._waiting and len(self._running) < self.config.cap:
            job = self._waiting.popleft()
            job.started_at = max(at, job.submitted_at)
            job.done_at = job.started_at + job.service
            heappush(self._running, (job.done_at, job.ordinal, job))

    def _job_id(self, ordinal: int) -> str:
        name = f"{self.config.seed}/{self.epoch}/{ordinal}".encode()
        return f"job-{sha256(name).hexdigest()[:20]}"
