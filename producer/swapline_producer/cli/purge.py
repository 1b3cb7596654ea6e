"""`swapline jobs purge` and `swapline janitor`: what is deleted on purpose, and what is found that nobody needs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from swapline_producer.cli.filters import AgeType
from swapline_producer.cli.numbers import Finite
from swapline_producer.cli.output import FAILED, NOT_FINISHED, complain, out, print_json
from swapline_producer.errors import JobNotFound
from swapline_producer.retention.purge import Purge, PurgeSelector, Report

if TYPE_CHECKING:
    from swapline_producer.cli.filters import Age
    from swapline_producer.producer import Producer
    from swapline_producer.retention.orphans import Findings

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _producer() -> Producer:
    from swapline_producer.producer import Producer  # noqa: PLC0415 -- celery is not loaded for --help

    return Producer.from_env()


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
    _check_one(job_ids, tenant, before)
    producer = _producer()
    selector = PurgeSelector(job_ids, tenant, before.at(producer.ledger.now()) if before else None)
    counted = _run(producer, selector, dry=True)
    if dry_run:
        _say(counted, as_json=as_json, done="would be purged")
        sys.exit(FAILED if counted.unknown else 0)
    if not yes:
        if as_json:
            raise click.UsageError("--json asks no questions: say --yes as well, or --dry-run.")
        _say(counted, as_json=False, done="will be purged")
        click.confirm("This cannot be undone. Go on?", abort=True)
    report = _run(producer, selector, dry=False)
    rewritten = producer.ledger.retention.rewrite_log()
    _say(report, as_json=as_json, done="purged")
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
    return Purge(producer.ledger, producer.publisher, producer.storage, dry=dry).run(selector)


def _explain(producer: Producer, job_id: str) -> None:
    try:
        producer.get(job_id)
    except JobNotFound as error:
        complain(error)


def _say(report: Report, *, as_json: bool, done: str) -> None:
    if as_json:
        print_json(asdict(report))
        return
    out.print(
        f"{done}: {report.jobs} jobs and {report.objects} results and receipts"
        f" ({report.forgotten} folders of jobs that the ledger had forgotten); webhooks not sent: {report.webhooks}"
    )
    for job_id in report.promised:
        out.print(f"{job_id} has not ended: it is canceled, and purged when the vendor is done with it")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what there is; delete nothing.")
@click.option("--limit", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Objects to look at.")
@click.option("--older-than", type=Finite(), default=3600.0, show_default=True, help="Seconds; younger ones are left.")
@click.option("--adopt", is_flag=True, help="The store belongs to this installation from now on.")
@as_json_option
def janitor(*, dry_run: bool, limit: int, older_than: float, adopt: bool, as_json: bool) -> None:
    """Find objects that no job needs, and delete them: inputs, results, half-written files.

    Workers do the same by themselves, a part of the store each minute.

    \b
    Example: swapline janitor --dry-run
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.retention.orphans import Janitor  # noqa: PLC0415 -- only who uses a store loads it
    from swapline_producer.retention.sweep import Sweep  # noqa: PLC0415 -- the same

    producer = _producer()
    found = Janitor(producer.ledger, producer.storage, result_ttl=producer.settings.result_ttl, safe_age=older_than)
    found.check_owner(adopt=adopt, dry=dry_run)
    findings = found.everything(limit=limit, dry=dry_run)
    if not dry_run:
        Sweep(producer.ledger, producer.storage).all_due()
    _tell(findings, as_json=as_json, dry=dry_run)


def _tell(findings: Findings, *, as_json: bool, dry: bool) -> None:
    if as_json:
        print_json({**asdict(findings), "orphans": findings.orphans, "dry_run": dry})  # asdict makes pairs of a Counter
        return
    from swapline_producer.retention.orphans import sample  # noqa: PLC0415 -- only who uses a store loads it

    out.print(f"looked at {findings.polled_at} objects{', and stopped at the limit' if findings.cut_short else ''}")
    for area, number in findings.orphans.items():
        out.print(f"{area}: {number} orphans {'found' if dry else 'deleted'}")
    if findings.odd:
        out.print(f"passed over, as they can be no names of ours: {sample(findings.odd)}")
    if findings.abandoned:
        out.print(f"half-written files deleted: {findings.abandoned}")
    if not findings.names and not findings.abandoned:
        out.print("nothing to delete")
    for name in findings.names if dry else ():
        out.print(f"  {name}")
