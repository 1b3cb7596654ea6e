"""When a job is looked at next, and what a look that finds it done teaches about the others of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract.service_times import EVERY_KIND, kind_of
from swapline_workers.core.schedule import polling
from swapline_workers.core.schedule.histogram import observed

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_workers.steps.ports import Ports, StatusReply

SECONDS = 1000

LATE = 1.5
"""Times the longest wait: a look that came so long after the one before says too little (no worker was there)."""

FIRST_SPREAD = 0.95
"""Of the wait for a job's first look, where thousands are in flight: spread over the whole of it, looks at jobs that
were submitted in one second stay spread. With half of it they came in waves of twice what the machine could do."""

SPREAD = 0.1
"""Of each later one: little, because a look too early is a look too many."""


def bounds(ports: Ports) -> polling.Bounds:
    """Give the bounds of a wait as they are now."""
    return polling.eased(ports.policy.polls, ports.view.in_flight())


def first_poll_delay(job: Job, ports: Ports) -> float:
    """Seconds from the submission to the first look."""
    times, waited_for, held_to = ports.times.of(kind_of(job.spec)), ports.view.jobs_wait(), bounds(ports)
    wait = polling.next_wait(0, times, held_to, waited_for=waited_for)
    return _spread(wait, held_to, ports, FIRST_SPREAD)


def next_poll_delay(job: Job, ports: Ports, *, held: float = 0.0) -> float:
    """Seconds to the next look, after one that found the job not done or found out nothing.

    `held` is how many seconds the vendor kept the look waiting.
    """
    held_to = bounds(ports)
    wait = polling.next_wait(
        _since(job, ports.view.now()),
        ports.times.of(kind_of(job.spec)),
        held_to,
        polls=job.polls,
        waited_for=ports.view.jobs_wait(),
        held=held,
    )
    return _spread(wait, held_to, ports, SPREAD)


def _spread(wait: float, held_to: polling.Bounds, ports: Ports, part: float) -> float:
    """Let a wait that is as long as it is only because so many are in flight end up to `part` of it sooner.

    A thousand jobs that were submitted in one second would else be looked at in one second as well, again and again.
    """
    eased = held_to.shortest > ports.policy.polls.shortest
    return wait * (1 - part * ports.rng()) if eased else wait


def service_time_sample(job: Job, look: StatusReply, ports: Ports) -> dict[str, dict[int, float]]:
    """What to add to the histograms: the job was done between the last look that said no and this one.

    Nothing where that is too long to tell, because looks failed or nobody looked.
    """
    if job.submitted_at is None or job.silent:
        return {}
    by = _since(job, ports.view.now())
    after = 0.0 if job.polled_at is None else _since(job, job.polled_at)
    if look.held >= polling.HELD:
        after = by  # it was answered the moment that the job was done
    if by - after > LATE * ports.policy.polls.longest:
        return {}
    spread = observed(after, by)
    return {kind_of(job.spec): spread, EVERY_KIND: spread}


def detection_delay(job: Job, look: StatusReply, ports: Ports) -> float:
    """How many seconds a job that this look found done had been done, as a guess: half the time since the look before.

    The vendor does not say when it was done. A look that the vendor held was answered in that moment.
    """
    if look.held >= polling.HELD or job.submitted_at is None:
        return 0.0
    return max(0.0, ports.view.now() - (job.polled_at or job.submitted_at)) / 2 / SECONDS


def _since(job: Job, at: int) -> float:
    return max(0.0, (at - (job.submitted_at or at)) / SECONDS)
