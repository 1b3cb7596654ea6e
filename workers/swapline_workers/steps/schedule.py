"""Delays between polls, and the service times that polls teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract.jobs.service_times import EVERY_KIND, kind_of
from swapline_workers.core.schedule import polling
from swapline_workers.core.schedule.histogram import observed

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_workers.steps.ports import Ports, StatusReply

SECONDS = 1000

TOO_LATE = 1.5
"""A poll later than this multiple of the longest delay teaches nothing."""

FIRST_SPREAD = 0.95
"""Share of the first delay over which thousands of polls are spread. With 0.5 they came in waves."""

SPREAD = 0.1
"""Share of later delays: an early poll is one poll more."""


def bounds(ports: Ports) -> polling.Bounds:
    """Return the present bounds."""
    return polling.eased(ports.policy.polls, ports.view.in_flight())


def first_poll_delay(job: Job, ports: Ports) -> float:
    """Return the seconds from the submission to the first poll."""
    times, waited_for, held_to = ports.times.of(kind_of(job.spec)), ports.view.jobs_wait(), bounds(ports)
    wait = polling.next_wait(0, times, held_to, waited_for=waited_for)
    return _spread(wait, held_to, ports, FIRST_SPREAD)


def next_poll_delay(job: Job, ports: Ports, *, answered_after: float = 0.0) -> float:
    """Return the seconds to the next poll. `answered_after`: seconds until this one was answered."""
    held_to = bounds(ports)
    wait = polling.next_wait(
        _since(job, ports.view.now()),
        ports.times.of(kind_of(job.spec)),
        held_to,
        polls=job.polls,
        waited_for=ports.view.jobs_wait(),
        answered_after=answered_after,
    )
    return _spread(wait, held_to, ports, SPREAD)


def _spread(wait: float, held_to: polling.Bounds, ports: Ports, part: float) -> float:
    """Spread the polls of many jobs submitted at once."""
    eased = held_to.shortest > ports.policy.polls.shortest
    return wait * (1 - part * ports.rng()) if eased else wait


def service_time_sample(job: Job, reply: StatusReply, ports: Ports) -> dict[str, dict[int, float]]:
    """Return the job's shares in the histograms: it was done between the last two polls.

    None where polls failed or were late.
    """
    if job.submitted_at is None or job.silent:
        return {}
    by = _since(job, ports.view.now())
    after = 0.0 if job.polled_at is None else _since(job, job.polled_at)
    if reply.answered_after >= polling.LONG_POLL_S:
        after = by  # answered when the job was done
    if by - after > TOO_LATE * ports.policy.polls.longest:
        return {}
    spread = observed(after, by)
    return {kind_of(job.spec): spread, EVERY_KIND: spread}


def detection_delay(job: Job, reply: StatusReply, ports: Ports) -> float:
    """Estimate the seconds since the job was done: half the last interval; 0 after a long poll."""
    if reply.answered_after >= polling.LONG_POLL_S or job.submitted_at is None:
        return 0.0
    return max(0.0, ports.view.now() - (job.polled_at or job.submitted_at)) / 2 / SECONDS


def _since(job: Job, at: int) -> float:
    return max(0.0, (at - (job.submitted_at or at)) / SECONDS)
