"""`swapline jobs purge`: deletion of all there is of jobs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from swapline_producer.cli import connections
from swapline_producer.cli.options import AgeType, as_json_option
from swapline_producer.errors import JobNotFound
from swapline_producer.terminal.output import FAILED, NOT_FINISHED, complain, out, print_json

if TYPE_CHECKING:
    from swapline_producer.cli.options import Age
    from swapline_producer.producer import Producer
    from swapline_producer.retention.purge import PurgeSelector, Report


@click.command()
@click.option("--job", "job_ids", multiple=True, metavar="ID", help="This job; may be given several times.")
@click.option("--tenant", help="Every job of this tenant, unfinished ones as well.")
@click.option("--before", type=AgeType(), help="Every job that has ended, accepted before: 90d, 12h, 2026-01-31.")
@click.option("--dry-run", is_flag=True, help="Count what would go; change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
def purge(
    job_ids: tuple[str, ...], tenant: str | None, before: Age | None, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Delete all there is of jobs: pictures, receipts, records, logs, keys. What stays is an id, a day and how it
    was chosen. Webhooks that wait are not sent.

    A job that has not ended is canceled, and purged by the workers when the vendor is done with it (exit code 3).

    \b
    Examples: swapline jobs purge --job 0193… --job 0194…
              swapline jobs purge --tenant acme --dry-run
              swapline jobs purge --before 90d --yes
    """  # noqa: D205, D301 -- click's marks
    from swapline_producer.retention.purge import PurgeSelector  # noqa: PLC0415 -- not loaded for --help

    _check_one(job_ids, tenant, before)
    producer = connections.producer()
    selector = PurgeSelector(job_ids, tenant, before.at(producer.ledger.now()) if before else None)
    counted = _run(producer, selector, dry=True)
    if dry_run:
        _print(counted, as_json=as_json, done="would be purged")
        sys.exit(FAILED if counted.unknown else 0)
    if not yes:
        if as_json:
            raise click.UsageError("--json asks no questions: say --yes as well, or --dry-run.")
        _print(counted, as_json=False, done="will be purged")
        click.confirm("This cannot be undone. Go on?", abort=True)
    report = _run(producer, selector, dry=False)
    rewritten = producer.ledger.retention.rewrite_log()
    _print(report, as_json=as_json, done="purged")
    if not rewritten and not as_json:
        out.print("Redis did not take BGREWRITEAOF: its append-only file has the old records until its next rewrite.")
    for job_id in report.unknown:
        _explain(producer, job_id)
    if report.unknown:
        sys.exit(FAILED)
    if report.promised:
        sys.exit(NOT_FINISHED)


def _check_one(job_ids: tuple[str, ...], tenant: str | None, before: Age | None) -> None:
    if sum((bool(job_ids), tenant is not None, before is not None)) != 1:
        raise click.UsageError("say which jobs: one of --job (as often as you like), --tenant and --before.")


def _run(producer: Producer, selector: PurgeSelector, *, dry: bool) -> Report:
    from swapline_producer.retention.purge import Purge  # noqa: PLC0415 -- not loaded for --help

    return Purge(producer.ledger, producer.publisher, producer.storage, dry=dry).run(selector)


def _explain(producer: Producer, job_id: str) -> None:
    try:
        producer.get(job_id)
    except JobNotFound as error:
        complain(error)


def _print(report: Report, *, as_json: bool, done: str) -> None:
    if as_json:
        print_json(asdict(report))
        return
    out.print(
        f"{done}: {report.jobs} jobs and {report.objects} results and receipts"
        f" ({report.forgotten} folders of jobs that the ledger had forgotten); webhooks not sent: {report.webhooks}"
    )
    for job_id in report.promised:
        out.print(f"{job_id} has not ended: it is canceled, and purged when the vendor is done with it")
