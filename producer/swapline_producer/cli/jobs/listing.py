"""`swapline jobs list`."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from swapline_producer.cli import connections
from swapline_producer.cli.jobs.filters import filtered, job_filter_of
from swapline_producer.cli.jobs.held import print_held
from swapline_producer.cli.options import as_json_option
from swapline_producer.contract import Job, State
from swapline_producer.errors import JobNotFound, UnreadableRecord
from swapline_producer.operations.evidence import evidence
from swapline_producer.terminal.output import as_json_text, job_facts, out
from swapline_producer.terminal.tables import print_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swapline_producer.ledger import JobFilter, Ledger

CHUNK = 500
"""Jobs read in one round trip, and printed at once."""

PAGE = 20_000
"""Ids of one search for all: a million jobs take 1 to 2 s, whatever the page."""

_ID = re.compile(r"[0-9a-f]{32}")

Found = tuple[Job, dict[str, Any] | None]


@click.command("list")
@filtered
@click.option("--oldest-first", is_flag=True, help="The oldest first, instead of the newest.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Jobs to list.")
@click.option("--after", metavar="JOB_ID", help="Go on after this job: the last one of the page before.")
@click.option("--all", "all_", is_flag=True, help="All of them, whatever --limit says.")
@click.option("--ids", is_flag=True, help="Print ids only, one a line.")
@as_json_option
def list_(
    *, limit: int, after: str | None, all_: bool, oldest_first: bool, ids: bool, as_json: bool, **given: Any
) -> None:
    """List jobs, the newest first; HELD ones with what is known of their paid call.

    Pages neither repeat nor skip a job while jobs move: for the next one add --after and the last id.

    \b
    Examples:
      swapline jobs list --state HELD
      swapline jobs list --state FAILED --code LOST --newer-than 2h
      swapline jobs list --tenant shop-1 --state QUEUED --older-than 1h --oldest-first
      swapline jobs list --notification DEAD --all --json
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    ledger = connections.ledger()
    _check_place(ledger, after)
    wanted = job_filter_of(ledger, given)
    number = None if all_ else limit
    job_ids = _ids(ledger, wanted, number, after, oldest_first=oldest_first)
    if ids:
        for job_id in islice(job_ids, number):
            click.echo(job_id)
        return
    jobs = islice(_jobs(ledger, job_ids, number), number if number is None else number + 1)
    if as_json:
        _print_json(_with_evidence(ledger, islice(jobs, number)))
    else:
        _print(ledger, wanted, jobs, number)


def _check_place(ledger: Ledger, after: str | None) -> None:
    """Refuse what is no job's id; a job that is gone is a place still."""
    if after is None or _ID.fullmatch(after):
        return
    try:
        ledger.jobs.get(after)
    except JobNotFound:
        raise click.BadParameter(
            f"{after!r} is no job's id; give the last one of the page before.", param_hint="--after"
        ) from None


def _ids(
    ledger: Ledger, wanted: JobFilter, number: int | None, after: str | None, *, oldest_first: bool
) -> Iterator[str]:
    limit = PAGE if number is None else number + 1  # one more: whether there is a next page
    for page in ledger.search.pages(wanted, limit=limit, after=after, oldest_first=oldest_first):
        yield from page


def _jobs(ledger: Ledger, job_ids: Iterator[str], number: int | None) -> Iterator[Job]:
    """Yield the jobs, without those gone or unreadable; read no more ids than needed."""
    size = CHUNK if number is None else min(CHUNK, number + 1)
    while chunk := list(islice(job_ids, size)):
        unreadable: list[UnreadableRecord] = []
        yield from ledger.jobs.get_many(chunk, unreadable)
        for error in unreadable:
            click.echo(str(error), err=True)


def _with_evidence(ledger: Ledger, jobs: Iterable[Job]) -> Iterator[Found]:
    for job in jobs:
        yield job, evidence(job, ledger.jobs.events(job.job_id)) if job.state is State.HELD else None


def _print_json(found: Iterable[Found]) -> None:
    opening = "["
    for job, known in found:
        click.echo(opening + "\n" + as_json_text(job_facts(job) | {"evidence": known}), nl=False)
        opening = ","
    click.echo("[]" if opening == "[" else "\n]")


def _print(ledger: Ledger, wanted: JobFilter, jobs: Iterator[Job], number: int | None) -> None:
    shown, last, now = 0, None, ledger.now()
    while chunk := list(islice(jobs, CHUNK if number is None else number - shown)):
        held = [(job, known) for job, known in _with_evidence(ledger, chunk) if known]
        others = [job for job in chunk if job.state is not State.HELD]
        if others:
            print_jobs(others, now)
        if held:
            print_held(held)
        shown, last = shown + len(chunk), chunk[-1]
    if last is None:
        out.print("no jobs")
    elif next(jobs, None) is not None:
        out.print(f"{shown:,}{_of_all(ledger, wanted)} jobs; the next page: --after {last.job_id}", style="dim")


def _of_all(ledger: Ledger, wanted: JobFilter) -> str:
    if wanted.model_copy(update={"states": ()}).everything:
        census = ledger.stats.census()
        return f" of {sum(census[state] for state in wanted.possible_states()):,}"
    return ""
