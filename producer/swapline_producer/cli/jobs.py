"""`swapline jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table

from swapline_producer.cli.evidence import evidence, print_held
from swapline_producer.cli.purge import purge
from swapline_producer.cli.show import (
    job_facts,
    moment,
    out,
    print_job,
    print_jobs,
    print_json,
    wait_and_exit,
)
from swapline_producer.contract import State, Step

if TYPE_CHECKING:
    from swapline_producer.contract import Job
    from swapline_producer.producer import Producer

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _producer() -> Producer:
    from swapline_producer.producer import Producer  # noqa: PLC0415 -- celery is not loaded for --help

    return Producer.from_env()


@click.group()
def jobs() -> None:
    """Look at jobs (list, show, events, wait), and decide on those that wait for a person (resolve, replay)."""


jobs.add_command(purge)


@jobs.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([one.value for one in State]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Jobs of each state.")
@as_json_option
def list_(states: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """List jobs, those that changed their state last first; HELD ones with what is known of their paid call.

    \b
    Example: swapline jobs list --state HELD
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    ledger = _producer().ledger
    wanted = [State(state) for state in states] or list(State)
    ids = [job_id for state in wanted for job_id in ledger.list_ids(state, limit=limit)]
    found = ledger.get_many(ids)
    known = {job.job_id: evidence(job, ledger.events(job.job_id)) for job in found if job.state is State.HELD}
    if as_json:
        print_json([job_facts(job) | {"evidence": known.get(job.job_id)} for job in found])
        return
    others = [job for job in found if job.job_id not in known]
    if others:
        print_jobs(others)
    if known:
        print_held((job, facts) for job in found if (facts := known.get(job.job_id)))
    if not found:
        out.print("no jobs")


@jobs.command()
@click.argument("job_id")
@as_json_option
def show(job_id: str, *, as_json: bool) -> None:
    """Show one job."""
    producer = _producer()
    job = producer.get(job_id)
    known = evidence(job, producer.events(job_id))
    if as_json:
        print_json(job_facts(job) | {"evidence": known})
        return
    print_job(job)
    if known:
        print_held([(job, known)])


@jobs.command()
@click.argument("job_id")
@as_json_option
def events(job_id: str, *, as_json: bool) -> None:
    """Show what happened to one job, oldest first."""
    producer = _producer()
    producer.get(job_id)
    found = producer.events(job_id)
    if as_json:
        print_json([{"at": moment(event.at), "name": event.name, "data": event.data} for event in found])
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("when", "after", "what", ""):
        table.add_column(name)
    for event in found:
        after = f"{(event.at - found[0].at) / 1000:.3f} s"
        facts = "  ".join(f"{name}={value}" for name, value in event.data.items())
        table.add_row(moment(event.at), after, event.name, facts)
    out.print(table)


@jobs.command()
@click.argument("job_id")
@click.option("--timeout", type=float, default=3600.0, show_default=True, help="Seconds to wait at most.")
@as_json_option
def wait(job_id: str, timeout: float, *, as_json: bool) -> None:
    """Wait for the end of one job: exit 0 succeeded, 1 not, 3 not finished."""
    wait_and_exit(_producer(), job_id, timeout, as_json=as_json)


@jobs.command()
@click.argument("job_id")
@click.option("--keep-result", is_flag=True, help="If the vendor has the job: store its pictures all the same.")
@as_json_option
def cancel(job_id: str, *, keep_result: bool, as_json: bool) -> None:
    """Cancel a job, whatever its state, and say whether it was charged.

    The vendor has no cancel: a job that it has keeps its slot, and ends CANCELED when the vendor is done with it.

    \b
    Example: swapline jobs cancel 0193… --keep-result
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    found = _producer().cancel(job_id, keep_result=keep_result)
    if as_json:
        print_json(job_facts(found.job) | {"charged": found.charged})
        return
    paid = {True: "it was charged", False: "it was not charged", None: "it may have been charged"}[found.charged]
    ends = "is CANCELED" if found.done else "is with the vendor and ends CANCELED when the vendor is done with it"
    out.print(f"{job_id} {ends}; {paid}")


@jobs.command()
@click.argument("job_id")
@click.option("--vendor-job-id", required=True, help="The id that you found in the vendor's records.")
@as_json_option
def resolve(job_id: str, vendor_job_id: str, *, as_json: bool) -> None:
    """Say under which id the vendor has a HELD job. It goes on from there, and is not paid again.

    \b
    Example: swapline jobs resolve 0193… --vendor-job-id job-abc-123
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    _say(_producer().on_call.resolve(job_id, vendor_job_id), as_json=as_json)


@jobs.command()
@click.argument("job_id")
@click.option(
    "--from",
    "step",
    type=click.Choice([Step.SUBMIT.value, Step.NOTIFY.value]),
    required=True,
    help="submit: a HELD job, once more; notify: the webhook of a job that has ended, once more.",
)
@click.option("--accept-charge", is_flag=True, help="For submit: the first call may have been charged as well.")
@as_json_option
def replay(job_id: str, step: str, *, accept_charge: bool, as_json: bool) -> None:
    """Run a job again from a step.

    \b
    Example: swapline jobs replay 0193… --from submit --accept-charge
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    on_call = _producer().on_call
    if step == Step.SUBMIT:
        _say(on_call.submit_again(job_id, accept_charge=accept_charge), as_json=as_json)
    else:
        _say(on_call.notify_again(job_id), as_json=as_json)


def _say(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(job_facts(job))
    else:
        out.print(f"{job.job_id} is {job.state}")
