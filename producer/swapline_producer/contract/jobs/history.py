"""What an installation did in each span of a period. Pure."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from swapline_producer.contract.enums import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WITHOUT_SUCCESS = (State.FAILED, State.TIMED_OUT, State.EXPIRED, State.CANCELED)


class Period(NamedTuple):
    """A length of history, and of the spans in it: seconds."""

    name: str
    seconds: int
    step: int


HOUR = Period("hour", 3600, 60)
DAY = Period("day", 86_400, 900)
WEEK = Period("week", 7 * 86_400, 3600)
PERIODS = {period.name: period for period in (HOUR, DAY, WEEK)}


class Row(NamedTuple):
    """Counts since the ledger began, at one moment; times in milliseconds."""

    at: int
    waited: int
    used: int
    idle: int
    counts: Mapping[str, int]
    turnaround: Mapping[float, int]
    """End of a bucket -> jobs."""

    @classmethod
    def of(cls, row: Mapping[str, Any], bounds: Sequence[int]) -> Self:
        """Read what lua/parts/sample.lua wrote; `bounds`: the ends of all buckets, also of those left out."""
        turnaround = {float(bound): row["turnaround"].get(bound, 0) for bound in (*map(str, bounds), "inf")}
        return cls(row["at"], row["waited"], row["used"], row["idle"], row["counts"], turnaround)


class HistoryPoint(NamedTuple):
    """One span, from `begins` to `ends` (UTC milliseconds)."""

    begins: int
    ends: int
    accepted: int
    succeeded: int
    ended_otherwise: int
    """FAILED, TIMED_OUT, EXPIRED or CANCELED."""
    codes: dict[str, int]
    """Failure codes of those that have one."""
    waiting: float
    """Jobs in the line, on average."""
    used: float
    """Slots in use, on average."""
    idle: float
    """Slots that were free while jobs waited, on average."""
    median: float | None
    """Seconds from acceptance to SUCCEEDED; None where none succeeded."""
    slowest_tenth: float | None
    """Seconds that nine of ten took at most."""


def points(rows: Sequence[Row], since: int) -> list[HistoryPoint]:
    """Return what happened between the rows after `since` (milliseconds)."""
    return [_point(before, row) for before, row in pairwise(rows) if row.at > since and row.at > before.at]


def _point(before: Row, row: Row) -> HistoryPoint:
    span = row.at - before.at
    grown = {name: max(0, number - before.counts.get(name, 0)) for name, number in row.counts.items()}
    took = {bound: max(0, jobs - before.turnaround.get(bound, 0)) for bound, jobs in row.turnaround.items()}
    return HistoryPoint(
        begins=before.at,
        ends=row.at,
        accepted=grown.get("accepted", 0),
        succeeded=grown.get(f"finished.{State.SUCCEEDED}", 0),
        ended_otherwise=sum(grown.get(f"finished.{state}", 0) for state in WITHOUT_SUCCESS),
        codes={name.removeprefix("failed."): n for name, n in grown.items() if name.startswith("failed.") and n},
        waiting=max(0, row.waited - before.waited) / span,
        used=max(0, row.used - before.used) / span,
        idle=max(0, row.idle - before.idle) / span,
        median=quantile(took, 0.5),
        slowest_tenth=quantile(took, 0.9),
    )


def quantile(buckets: Mapping[float, int], share: float) -> float | None:
    """Return the seconds that a share of jobs took at most. `buckets`: end in milliseconds -> jobs.

    Times within a bucket are taken to be spread evenly.
    """
    left = share * sum(buckets.values())
    if left == 0:
        return None
    begin = 0.0
    for end, jobs in sorted(buckets.items()):
        if jobs >= left and not math.isinf(end):
            return (begin + (end - begin) * left / jobs) / 1000
        left -= jobs
        begin = begin if math.isinf(end) else end
    return begin / 1000
