"""`swapline jobs`: commands for one job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swapline_producer.cli import connections
from swapline_producer.cli.jobs.cancel import cancel
from swapline_producer.cli.jobs.download import download
from swapline_producer.cli.jobs.held import print_held
from swapline_producer.cli.jobs.listing import list_
from swapline_producer.cli.jobs.purge import purge
from swapline_producer.cli.jobs.replay import replay
from swapline_producer.cli.jobs.timeline import deliveries, print_stages, print_timeline, stages, timeline
from swapline_producer.cli.options import Finite, as_json_option
from swapline_producer.contract import Notification
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.operations.evidence import evidence
from swapline_producer.terminal.output import job_facts, out, print_json, wait_and_exit
from swapline_producer.terminal.tables import print_job

if TYPE_CHECKING:
    from swapline_producer.contract import Job


@click.group()
def jobs() -> None:
    """Look at jobs (list, show, events, …), decide on them (resolve, replay, cancel).

    \b
    Examples:
      swapline jobs list --state HELD
      swapline jobs show 0193…
    """  # noqa: D301 -- click's mark for a block that keeps its lines


for command in (list_, download, replay, cancel, purge):
    jobs.add_command(command)


@jobs.command()
@click.argument("job_id")
@as_json_option
def show(job_id: str, *, as_json: bool) -> None:
    """Show one job: what it is, what is known, what happened to it, and how long each part took.

    A link to a picture in a cloud works for an hour.

    \b
    Example: swapline jobs show 0193…
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    ledger = connections.ledger()
    job, log, now, due = ledger.jobs.get(job_id), ledger.jobs.events(job_id), ledger.now(), ledger.jobs.due_at(job_id)
    known, took, links = evidence(job, log), stages(job, log, now), connections.links(job)
    if as_json:
        images = [image.model_dump() | {"url": links.get(image.key)} for image in job.images]
        facts = {
            "images": images,
            "evidence": known,
            "next_at": rfc3339(due),
            "stages": took,
            "deliveries": deliveries(log),
        }
        print_json(job_facts(job) | facts | {"timeline": timeline(log)})
        return
    print_job(job, now, due, links)
    if known:
        print_held([(job, known)])
    out.print()
    print_stages(took, ended=job.state.finished and job.notification is not Notification.PENDING)
    out.print()
    print_timeline(log)


@jobs.command()
@click.argument("job_id")
@as_json_option
def events(job_id: str, *, as_json: bool) -> None:
    """Show what happened to one job, oldest first.

    \b
    Example: swapline jobs events 0193… --json
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    ledger = connections.ledger()
    ledger.jobs.get(job_id)
    found = ledger.jobs.events(job_id)
    if as_json:
        print_json(timeline(found))
        return
    print_timeline(found)


@jobs.command()
@click.argument("job_id")
@click.option("--timeout", type=Finite(), default=3600.0, show_default=True, help="Seconds to wait at most.")
@as_json_option
def wait(job_id: str, timeout: float, *, as_json: bool) -> None:
    """Wait for the end of one job: exit 0 succeeded, 1 not, 3 not finished.

    \b
    Example: swapline jobs wait 0193… --timeout 60 --json
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    wait_and_exit(connections.producer(), job_id, timeout, as_json=as_json)


@jobs.command()
@click.argument("job_id")
@click.option("--vendor-job-id", required=True, help="The id that you found in the vendor's records.")
@as_json_option
def resolve(job_id: str, vendor_job_id: str, *, as_json: bool) -> None:
    """Say under which id the vendor has a HELD job. It goes on from there, and is not paid again.

    An id that another job has, or had until a day ago, is refused.

    \b
    Example: swapline jobs resolve 0193… --vendor-job-id job-abc-123
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    _print(connections.producer().recovery.resolve(job_id, vendor_job_id), as_json=as_json)


def _print(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(job_facts(job))
    else:
        out.print(f"{job.job_id} is {job.state}")
