"""`swapline jobs replay`: jobs again from one of their steps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from swapline_producer.cli import connections
from swapline_producer.cli.jobs.filters import filtered, is_given, job_filter_of
from swapline_producer.cli.options import as_json_option
from swapline_producer.contract import Step
from swapline_producer.errors import NotPossible
from swapline_producer.terminal.output import DONE, FAILED, NOT_FINISHED, complain, job_facts, out, print_json
from swapline_producer.terminal.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swapline_producer.operations.recovery import Replayed
    from swapline_producer.producer import Producer

REASONS_SHOWN = 10


@click.command()
@click.argument("job_ids", nargs=-1, metavar="[JOB_ID]...")
@click.option(
    "--from",
    "step",
    type=click.Choice([step.value for step in Step]),
    required=True,
    help="Which step to run again: see above.",
)
@click.option("--accept-charge", is_flag=True, help="For submit: each job costs its credits (again).")
@click.option("--dry-run", is_flag=True, help="Say how many jobs it would be and what they cost; move nothing.")
@click.option("--again", is_flag=True, help="By filter: also jobs that were replayed from there before.")
@filtered
@as_json_option
def replay(
    job_ids: tuple[str, ...],
    *,
    step: str,
    accept_charge: bool,
    dry_run: bool,
    again: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Run jobs again from a step: those of these ids, or all that fit the filter.

    \b
      submit    send it to the vendor once more, which is paid: a HELD job, or one that ended without success
      poll      ask the vendor for its id again, free: a job that ended TIMED_OUT, LOST, OUTPUT_INVALID, …
      finalize  the same, free: a job whose pictures are not stored: in STORING (now, not later), STORE_TIMEOUT, …
      notify    post the webhook of a job that has ended (or is HELD) once more, under the same webhook-id

    Run again, a replay by filter continues: it skips jobs that were replayed from that step before.

    \b
    Examples:
      swapline jobs replay 0193… --from submit --accept-charge
      swapline jobs replay --from poll --state TIMED_OUT --newer-than 6h --dry-run
      swapline jobs replay --from notify --notification DEAD --tenant shop-1
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if bool(job_ids) == is_given(given):
        raise click.UsageError("Give either ids of jobs or a filter (--state, --code, --tenant, …), and not both.")
    producer = connections.producer()
    if job_ids and not dry_run:
        sys.exit(_one_by_one(producer, job_ids, Step(step), accept_charge=accept_charge, as_json=as_json))
    if Step(step) is Step.SUBMIT and not accept_charge and not dry_run:
        raise NotPossible(
            "Each of these jobs would be paid (again): --dry-run says what it costs, --accept-charge does it."
        )
    run = Run(Step(step), dry_run=dry_run, as_json=as_json)
    if job_ids:
        found: Iterable[Replayed] = producer.recovery.replayable(job_ids, Step(step))
    else:
        wanted = job_filter_of(producer.ledger, given)
        found = producer.recovery.replay_many(wanted, Step(step), dry_run=dry_run, again=again)
    sys.exit(run.through(found))


def _one_by_one(producer: Producer, job_ids: tuple[str, ...], step: Step, *, accept_charge: bool, as_json: bool) -> int:
    moved, code = [], DONE
    for job_id in job_ids:
        try:
            moved.append(producer.recovery.replay(job_id, step, accept_charge=accept_charge))
        except NotPossible as error:
            complain(error)
            code = FAILED
    if as_json and moved:
        print_json(job_facts(moved[0]) if len(job_ids) == 1 else [job_facts(job) for job in moved])
    elif not as_json:
        for job in moved:
            out.print(f"{job.job_id} is {job.state}")
    return code


class Run:
    """One replay by filter, counted."""

    def __init__(self, step: Step, *, dry_run: bool, as_json: bool) -> None:
        """Count from nothing."""
        self._step = step
        self._dry_run = dry_run
        self._as_json = as_json
        self._done = 0
        self._before = 0
        self._reasons: list[tuple[str, str]] = []
        self._impossible = 0

    def through(self, found: Iterable[Replayed]) -> int:
        """Print the result of all; return the exit code."""
        from swapline_producer.operations.recovery import REPEATED  # noqa: PLC0415 -- not loaded for --help

        interrupted = False
        try:
            with progress("looking" if self._dry_run else "replaying", None, quiet=self._as_json) as tick:
                for job_id, problem in found:
                    self._count(job_id, problem, repeated=problem == REPEATED)
                    tick(1)
        except KeyboardInterrupt:
            interrupted = True
        self._print(interrupted=interrupted)
        if interrupted:
            return NOT_FINISHED
        return FAILED if self._impossible else DONE

    def _count(self, job_id: str, problem: str | None, *, repeated: bool) -> None:
        if problem is None:
            self._done += 1
        elif repeated:
            self._before += 1
        else:
            self._impossible += 1
            if len(self._reasons) < REASONS_SHOWN:
                self._reasons.append((job_id, problem))

    def _print(self, *, interrupted: bool) -> None:
        from swapline_producer.operations.replays import cost  # noqa: PLC0415 -- beside its use

        credits_ = self._done * cost(self._step)
        if self._as_json:
            print_json(
                {
                    "from": self._step,
                    "dry_run": self._dry_run,
                    "interrupted": interrupted,
                    "jobs": self._done,
                    "credits": credits_,
                    "replayed_before": self._before,
                    "not_possible": self._impossible,
                    "reasons": [{"job_id": job_id, "reason": reason} for job_id, reason in self._reasons],
                }
            )
            return
        verb = "would be replayed" if self._dry_run else "were replayed"
        price = f"{credits_:,} credits" if credits_ else "free of charge"
        out.print(f"{self._done:,} jobs {verb} from {self._step}, {price}")
        if self._before:
            out.print(f"{self._before:,} were replayed from there before, and are left alone; --again takes them too")
        if self._impossible:
            out.print(f"{self._impossible:,} cannot be:")
            for _, reason in self._reasons:
                out.print(f"  {reason}")
            if self._impossible > len(self._reasons):
                out.print(f"  … and {self._impossible - len(self._reasons):,} more")
        if interrupted:
            out.print("Interrupted; the same command goes on with the others.")
