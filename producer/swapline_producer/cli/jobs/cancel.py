"""`swapline jobs cancel`: one job, several, or all that fit a filter."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from swapline_producer.cli import connections
from swapline_producer.cli.jobs.filters import filtered, is_given, job_filter_of
from swapline_producer.cli.options import as_json_option
from swapline_producer.contract import FINISHED, State
from swapline_producer.errors import NotPossible
from swapline_producer.terminal.output import DONE, FAILED, NOT_FINISHED, complain, job_facts, out, print_json
from swapline_producer.terminal.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swapline_producer.client.cancel import Cancellation
    from swapline_producer.ledger import JobFilter
    from swapline_producer.producer import Producer

PAGE = 5000
"""Ids of one search: see recovery.py."""

PAID = {True: "it was charged", False: "it was not charged", None: "it may have been charged"}


@click.command()
@click.argument("job_ids", nargs=-1, metavar="[JOB_ID]...")
@click.option("--keep-result", is_flag=True, help="If the vendor has the job: store its pictures all the same.")
@click.option("--dry-run", is_flag=True, help="Say how many jobs it would be; cancel nothing.")
@filtered
@as_json_option
def cancel(job_ids: tuple[str, ...], *, keep_result: bool, dry_run: bool, as_json: bool, **given: Any) -> None:
    """Cancel jobs in any state, and say whether they were charged: those of these ids, or all that fit.

    The vendor has no cancel: a job that it has keeps its slot, and ends CANCELED when the vendor is done with it.

    \b
    Examples:
      swapline jobs cancel 0193… --keep-result
      swapline jobs cancel --tenant shop-1 --state QUEUED --newer-than 10m --dry-run
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if bool(job_ids) == is_given(given):
        raise click.UsageError("Give either ids of jobs or a filter (--state, --code, --tenant, …), and not both.")
    producer = connections.producer()
    if len(job_ids) == 1 and not dry_run:
        _print_one(producer.cancel(job_ids[0], keep_result=keep_result), as_json=as_json)
        return
    ids = iter(job_ids) if job_ids else _fitting(producer, job_filter_of(producer.ledger, given))
    counts = {"jobs": 0, "canceled": 0, "canceling": 0, "charged": 0, "perhaps_charged": 0, "not_possible": 0}
    code = DONE
    try:
        with progress("canceling", None, quiet=as_json) as tick:
            for job_id in ids:
                counts["jobs"] += 1
                if not dry_run and not _cancel(
                    producer, job_id, counts, keep_result=keep_result, verbose=bool(job_ids)
                ):
                    code = FAILED if job_ids else code
                tick(1)
    except KeyboardInterrupt:
        code = NOT_FINISHED
    _print_all(counts, dry_run=dry_run, as_json=as_json)
    sys.exit(code)


def _fitting(producer: Producer, wanted: JobFilter) -> Iterator[str]:
    """Yield matching unfinished jobs, newest first: none gets a slot meanwhile."""
    unfinished = tuple(state for state in wanted.possible_states() if state not in FINISHED)
    if not unfinished:
        return
    for page in producer.ledger.search.pages(wanted.model_copy(update={"states": unfinished}), limit=PAGE):
        yield from page


def _cancel(producer: Producer, job_id: str, counts: dict[str, int], *, keep_result: bool, verbose: bool) -> bool:
    try:
        found = producer.cancel(job_id, keep_result=keep_result)
    except NotPossible as error:
        counts["not_possible"] += 1
        if verbose:
            complain(error)
        return False
    counts["canceled" if found.job.state is State.CANCELED else "canceling"] += 1
    counts["charged"] += found.charged is True
    counts["perhaps_charged"] += found.charged is None
    return True


def _print_one(found: Cancellation, *, as_json: bool) -> None:
    if as_json:
        print_json(job_facts(found.job) | {"charged": found.charged})
        return
    ends = "is CANCELED" if found.done else "is with the vendor and ends CANCELED when the vendor is done with it"
    out.print(f"{found.job.job_id} {ends}; {PAID[found.charged]}")


def _print_all(counts: dict[str, int], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": dry_run, **counts})
    elif dry_run:
        out.print(f"{counts['jobs']:,} jobs would be canceled")
    else:
        out.print(", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in counts.items()))
