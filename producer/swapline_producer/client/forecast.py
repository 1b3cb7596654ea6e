"""Estimate a job's end from its place in the line and its kind's service times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Frozen, State
from swapline_producer.contract.jobs.service_times import ENOUGH, EVERY_KIND, kind_of, start_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger

STORING_S = 1.0

Histogram = dict[int, float]


class Forecast(Frozen):
    """The estimate for an unfinished job."""

    position: int | None = None
    """1 is next; None where it waits for none."""
    slots: int = 0
    end: int | None = None
    """Milliseconds; None where nothing is known yet."""


def forecast(ledger: Ledger, job: Job) -> Forecast:
    """Estimate, in two round trips. Raises LedgerUnavailable."""
    if job.state.finished or job.state is State.HELD:
        return Forecast()
    place = ledger.occupancy.place(job.job_id)
    own, all_kinds = ledger.stats.histograms([kind_of(job.spec), EVERY_KIND])
    seconds = seconds_left(job.state, _since(job, ledger.now()), place.position, place.slots, own, all_kinds)
    return Forecast(
        position=place.position,
        slots=place.slots,
        end=None if seconds is None else ledger.now() + round(seconds * 1000),
    )


def seconds_left(
    state: State,
    ran: float,
    position: int | None,
    slots: int,
    own: Mapping[int, float],
    all_kinds: Mapping[int, float],
) -> float | None:
    """Return the seconds until a job has probably ended; None where too few jobs have.

    `ran`: seconds at the vendor.
    """
    times = own if sum(own.values()) >= ENOUGH else all_kinds
    if sum(all_kinds.values()) < ENOUGH:
        return None
    if state is State.STORING:
        return STORING_S
    if state is not State.QUEUED:
        return mean(times, beyond=ran) - ran + STORING_S
    if position is None or slots < 1:
        return None
    return position / slots * mean(all_kinds) + mean(times) + STORING_S


def mean(times: Mapping[int, float], *, beyond: float = 0.0) -> float:
    """Return the mean seconds of jobs that took more than `beyond`."""
    longer = {start_of(bucket + 0.5): weight for bucket, weight in times.items() if start_of(bucket + 0.5) > beyond}
    total = sum(longer.values())
    return sum(seconds * weight for seconds, weight in longer.items()) / total if total else beyond


def _since(job: Job, now: int) -> float:
    return max(0.0, (now - job.submitted_at) / 1000) if job.submitted_at else 0.0
