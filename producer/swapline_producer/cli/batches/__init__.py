"""`swapline batch`: a manifest of face swaps."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from swapline_producer.cli import connections
from swapline_producer.cli.batches.run import Run
from swapline_producer.cli.batches.view import print_view
from swapline_producer.cli.enqueue import pairs
from swapline_producer.cli.options import Finite, as_json_option
from swapline_producer.client.batches.manifest import Manifest, row_of
from swapline_producer.errors import NotPossible
from swapline_producer.terminal.output import NOT_FINISHED, complain, out, print_json, warn
from swapline_producer.terminal.progress import progress
from swapline_producer.terminal.tables import print_jobs

tenant_option = click.option("--tenant", default="default", show_default=True, help="Whose batch it is.")


@click.group()
def batch() -> None:
    """Run a manifest of face swaps (run), see how it stands (show), stop it (cancel)."""


@batch.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="The batch's name; the manifest's own without its ending, unless given.")
@click.option("--set", "defaults", multiple=True, metavar="COLUMN=VALUE", help="For rows that do not say otherwise.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what it costs; enqueue nothing.")
@click.option("--skip-bad", is_flag=True, help="Leave wrong rows out instead of enqueuing nothing; exit 1 at the end.")
@click.option("--retry-failed", is_flag=True, help="Make new jobs for rows whose job ended without success.")
@click.option("--watch", is_flag=True, help="Wait for the end: exit 0 all succeeded, 1 not, 3 not finished.")
@click.option("--timeout", type=Finite(), default=7 * 86_400.0, show_default=True, help="Seconds to watch at most.")
@click.option("--download", type=click.Path(file_okay=False, path_type=Path), help="Watch, and write pictures here.")
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="Write a CSV of how each row stands.")
@click.option("--webhook-url", help="Told once (batch.completed), when every job has ended.")
@as_json_option
def run(  # noqa: PLR0913 -- each is an option of the command
    manifest: Path,
    *,
    name: str | None,
    defaults: tuple[str, ...],
    dry_run: bool,
    skip_bad: bool,
    retry_failed: bool,
    watch: bool,
    timeout: float,
    download: Path | None,
    results: Path | None,
    webhook_url: str | None,
    as_json: bool,
) -> None:
    """Enqueue every row of MANIFEST, a CSV (separated by , or ; or tabs) or .jsonl file.

    Columns are the fields of a request (image, gender, filter_id, ratio, …); others become metadata. image is a URL, or
    a path relative to the manifest. All rows belong to one tenant, and are checked first: a wrong one stops the run,
    unless --skip-bad. The same command continues an interrupted run, and repeats no row.

    \b
    Examples:
      swapline batch run spring.csv --dry-run
      swapline batch run spring.csv --set filter_id=12 --download ./pictures --results spring-results.csv
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    wanted = name or manifest.stem
    if results is not None and results.resolve() == manifest.resolve():
        raise click.UsageError("--results would overwrite the manifest; give it another name.")
    read = Manifest(manifest, wanted, pairs(defaults, "--set"), replace_failed=retry_failed)
    task = Run(connections.producer(), read, wanted, skip_bad=skip_bad, as_json=as_json)
    task.check(webhook_url)
    if dry_run:
        task.print_cost()
        return
    try:
        task.enqueue()
        if webhook_url:
            task.seal(webhook_url)
        if watch or download:
            task.watch(timeout, download)
        if results:
            task.write_results(results, download)
    except KeyboardInterrupt:
        warn(f"swapline: interrupted; nothing is lost. The same command goes on with batch {wanted}.")
        sys.exit(NOT_FINISHED)
    except TimeoutError as error:
        complain(error)
        sys.exit(NOT_FINISHED)
    sys.exit(task.report_end(watched=watch or download is not None))


@batch.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Jobs to list, failures first.")
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="Write a CSV of all jobs.")
@tenant_option
@as_json_option
def show(name: str, *, limit: int, results: Path | None, tenant: str, as_json: bool) -> None:
    """Show how the batch NAME stands, failures first.

    \b
    Example: swapline batch show spring --results spring-results.csv
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.client.batches.results import failures_first, outlines, view, write_results  # noqa: PLC0415 -- slow to load
    from swapline_producer.terminal.output import job_facts  # noqa: PLC0415 -- beside its use

    ledger = connections.ledger()
    jobs = list(outlines(ledger, name, tenant))
    found = view(name, tenant, jobs)
    shown = ledger.jobs.get_many(failures_first(jobs, limit))
    if results:
        write_results(ledger, name, tenant, results)
    if as_json:
        first = [{"row": row_of(name, job.spec.idempotency_key), **job_facts(job)} for job in shown]
        print_json({**found.model_dump(mode="json"), "first": first})
        return
    print_view(found)
    if shown:
        print_jobs(shown, row_of=lambda job: row_of(name, job.spec.idempotency_key))


@batch.command()
@click.argument("name")
@click.option("--keep-result", is_flag=True, help="Store the pictures of jobs that the vendor has.")
@tenant_option
@as_json_option
def cancel(name: str, *, keep_result: bool, tenant: str, as_json: bool) -> None:
    """Cancel every job of the batch NAME that has not ended.

    \b
    Example: swapline batch cancel spring
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.client.batches.results import outlines  # noqa: PLC0415 -- not loaded for --help

    producer = connections.producer()
    left = [job.job_id for job in outlines(producer.ledger, name, tenant) if not job.state.finished]
    counts = {"canceled": 0, "canceling": 0, "charged": 0, "perhaps_charged": 0, "ended_meanwhile": 0}
    with progress("canceling", len(left), quiet=as_json) as tick:
        for job_id in reversed(left):  # the last in line first: nothing of them is handed a slot meanwhile
            try:
                found = producer.cancel(job_id, keep_result=keep_result)
            except NotPossible:
                counts["ended_meanwhile"] += 1
            else:
                counts["canceled" if found.done else "canceling"] += 1
                counts["charged"] += found.charged is True
                counts["perhaps_charged"] += found.charged is None
            tick(1)
    if as_json:
        print_json({"batch": name, **counts})
    else:
        out.print(f"{name}: " + ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in counts.items()))
