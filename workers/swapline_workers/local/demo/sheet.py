"""The demo's jobs on a contact sheet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from swapline_workers.core.webhook_events import timings
from swapline_workers.local.demo.contact_sheet import Card, Picture, contact_sheet

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_workers.local.demo.folder import DemoFolder
    from swapline_workers.local.demo.run import Entry


def link_pictures(entries: list[Entry], demo_folder: DemoFolder) -> None:
    """Link each result under its short path."""
    for entry in entries:
        for number, image in enumerate(entry.job.images, start=1):
            short = demo_folder.picture(entry.number, number)
            short.symlink_to((demo_folder.storage / image.key).relative_to(demo_folder.root))


def demo_sheet(entries: list[Entry], demo_folder: DemoFolder) -> str:
    """Return the page as HTML. The pictures must be linked already."""
    started = min(entry.job.created_at for entry in entries)
    ended = max(entry.job.finished_at or entry.job.created_at for entry in entries)
    date = datetime.fromtimestamp(started / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    return contact_sheet(
        "Swapline demo",
        "Each portrait's face, swapped into a filter's picture, stored, and sent by webhooks with verified signatures.",
        {
            "jobs succeeded": f"{sum(entry.good for entry in entries)} of {len(entries)}",
            "webhooks verified": f"{sum(entry.verified for entry in entries)}",
            "credits charged": f"{sum(entry.job.credits for entry in entries)}",
            "from first to last": f"{(ended - started) / 1000:.1f} s",
        },
        [_card(entry, demo_folder) for entry in entries],
        f"The vendor was simulated; everything else was real. Run of {date}, in {demo_folder.root}",
    )


def _card(entry: Entry, demo_folder: DemoFolder) -> Card:
    job = entry.job
    return Card(
        title=entry.demo_job.title,
        state=job.state,
        good=entry.good,
        before=Picture(entry.demo_job.photograph, "in: whose face"),
        after=_result(entry, demo_folder),
        missing=f"{job.failure_code or job.state}: {job.failure_detail or 'there is no result'}",
        stages={name: seconds for name, seconds in timings(job).items() if seconds is not None and name != "total"},
        facts=_facts(entry),
    )


def _result(entry: Entry, demo_folder: DemoFolder) -> Picture | None:
    if not entry.job.images:
        return None
    short = demo_folder.picture(entry.number, 1)
    return Picture(short.read_bytes(), f"out, {entry.job.images[0].bytes / 1e6:.1f} MB", link=short.name)


def _variants(job: Job) -> str:
    found = (one for image in job.images for one in image.variants)
    return ", ".join(f"{one.name} {one.width} × {one.height}, {one.bytes / 1000:.0f} kB" for one in found)  # noqa: RUF001 -- the sign for sizes


def _facts(entry: Entry) -> dict[str, str]:
    job, spec = entry.job, entry.job.spec
    kind = "UUID filter" if isinstance(spec.filter_id, UUID) else "filter"
    paid = "1 paid call" if job.attempts == 1 else f"{job.attempts} paid calls"
    return {
        "Asked for": f"{spec.ratio}, {kind} {spec.filter_id}, API {spec.api_version}",
        "Job": job.job_id,
        "Vendor's id": job.vendor_job_id or "none",
        "Polls": f"{job.polls}, after {paid}",
        "Credits": str(job.credits),
        "Webhook": "received, signature verified" if entry.verified else f"not verified ({job.notification})",
        **({"Variants": variants} if (variants := _variants(job)) else {}),
        "SHA-256": job.images[0].sha256 if job.images else "none",
    }
