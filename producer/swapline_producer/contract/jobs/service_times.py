"""Service times in the ledger: weights in logarithmic buckets, by kind of job."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

from swapline_producer.contract.enums import Gender

if TYPE_CHECKING:
    from swapline_producer.contract.jobs.job import JobSpec

FIRST = 0.05
"""Start of bucket 0 in seconds: no vendor is faster."""

WIDTH = 0.06
"""Growth of each bucket (in the logarithm): half a second at 8 s."""

EVERY_KIND = "all"
"""From which a rare kind borrows."""

ENOUGH = 20.0
"""Jobs before a histogram is used."""


def kind_of(spec: JobSpec) -> str:
    """Return the name of a job's histogram."""
    faces = "group" if spec.gender is Gender.GROUP else "single"
    return f"{spec.api_version}:{spec.quality_mode or '-'}:{faces}:{spec.ratio or '-'}"


def start_of(bucket: float) -> float:
    """Return the seconds at which a bucket begins."""
    return FIRST * exp(WIDTH * bucket)
