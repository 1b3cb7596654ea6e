"""`swapline slots`."""

from __future__ import annotations

import click

from swapline_producer.cli.show import moment, out, print_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def slots(*, as_json: bool) -> None:
    """Show how the vendor's slots are used, and why the line stands still if it does."""
    from swapline_producer.producer import Producer  # noqa: PLC0415 -- celery is not loaded for --help

    view = Producer.from_env().ledger.slots()
    if as_json:
        print_json(view.model_dump())
        return
    out.print(f"{len(view.in_flight)} of {view.cap} slots in use (the limit is {view.limit}), {view.waiting} jobs wait")
    for job_id in view.in_flight:
        out.print(f"  {job_id}")
    if view.strikes:
        out.print(f"submitting is paused until {moment(view.closed_until) or 'the next probe'}: {view.reason}")
