"""The control page's report of everything that the vendor received and charged.

Times are milliseconds since the epoch, UTC; null for what has not happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from swapline_simulator.config import SimulatorConfig
from swapline_simulator.enums import CREDITS_PER_JOB, ApiVersion, Gender, QualityMode, Ratio

if TYPE_CHECKING:
    from swapline_simulator.account.account import VendorJob
    from swapline_simulator.account.vendor import SimulatedVendor


class Line(BaseModel):
    """The base of every part of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class JobLine(Line):
    """One accepted submission, charged whatever happened to its reply."""

    id: str
    ordinal: int
    version: ApiVersion
    image_sha256: str
    """Of the picture's bytes; of the URL's text where the picture was not fetched."""
    image_url: str | None
    gender: Gender
    filter_id: str
    ratio: Ratio
    quality_mode: QualityMode
    credits: int
    over_cap: bool
    """Whether it came when all slots were taken, and was queued."""
    status: str
    polls: int
    submitted_at: int
    started_at: int | None
    done_at: int | None
    """When it is, or will be, done."""
    first_seen_done_at: int | None
    """Time of the first reply with a terminal status."""


class ImageLine(Line):
    """Charges for one picture."""

    accepted: int
    credits: int
    jobs: list[str]


class Report(Line):
    """Everything since the start, or since the last reset."""

    simulator: Literal["swapline"] = "swapline"
    """Distinguishes a simulator from a vendor, for workers."""
    now: int
    config: SimulatorConfig
    credits_spent: int
    credits_left: int
    in_flight: int
    """Accepted jobs that are not done."""
    max_in_flight: int
    over_cap: int
    """Submissions that came when all slots were taken."""
    submissions: int
    accepted: int
    refused: dict[str, int]
    """Submissions that were not accepted, by code, or by mode where a mode refused them."""
    unauthorized: int
    polls: int
    unknown_polls: int
    images: dict[str, ImageLine]
    """By SHA-256."""
    jobs: list[JobLine]
    """In order of acceptance. Empty, as `images`, in a report without jobs."""


def report(vendor: SimulatedVendor, *, with_jobs: bool = True) -> Report:
    """Return the report as of now."""
    vendor.settle()
    account, tally, now = vendor.account, vendor.tally, vendor.now()
    jobs = list(account.jobs.values()) if with_jobs else []
    return Report(
        now=_milliseconds(now),
        config=vendor.config,
        credits_spent=account.spent,
        credits_left=account.credits_left,
        in_flight=account.in_flight,
        max_in_flight=account.max_in_flight,
        over_cap=account.over_cap,
        submissions=tally.submissions,
        accepted=len(account.jobs),
        refused=dict(tally.refused),
        unauthorized=tally.unauthorized,
        polls=tally.polls,
        unknown_polls=tally.unknown_polls,
        images=_by_image(jobs),
        jobs=[_job_line(job, now) for job in jobs],
    )


def _by_image(jobs: list[VendorJob]) -> dict[str, ImageLine]:
    ids: dict[str, list[str]] = {}
    for job in jobs:
        ids.setdefault(job.image_sha256, []).append(job.job_id)
    return {
        sha256: ImageLine(accepted=len(of_it), credits=len(of_it) * CREDITS_PER_JOB, jobs=of_it)
        for sha256, of_it in ids.items()
    }


def _job_line(job: VendorJob, now: float) -> JobLine:
    return JobLine(
        id=job.job_id,
        ordinal=job.ordinal,
        version=job.order.version,
        image_sha256=job.image_sha256,
        image_url=job.image_url,
        gender=job.order.gender,
        filter_id=str(job.order.filter_id),
        ratio=job.order.ratio,
        quality_mode=job.order.quality_mode,
        credits=CREDITS_PER_JOB,
        over_cap=job.over_cap,
        status=job.status(now),
        polls=job.polls,
        submitted_at=_milliseconds(job.submitted_at),
        started_at=_milliseconds_or_none(job.started_at),
        done_at=_milliseconds_or_none(job.done_at),
        first_seen_done_at=_milliseconds_or_none(job.first_seen_done_at),
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _milliseconds_or_none(seconds: float | None) -> int | None:
    return None if seconds is None else _milliseconds(seconds)
