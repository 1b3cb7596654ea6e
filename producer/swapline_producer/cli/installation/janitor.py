"""`swapline janitor`: deletion of objects that no job needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from swapline_producer.cli import connections
from swapline_producer.cli.options import Finite, as_json_option
from swapline_producer.terminal.output import out, print_json

if TYPE_CHECKING:
    from swapline_producer.retention.orphans import Findings


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what there is; delete nothing.")
@click.option("--limit", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Objects to look at.")
@click.option("--older-than", type=Finite(), default=3600.0, show_default=True, help="Seconds; younger ones are left.")
@click.option("--adopt", is_flag=True, help="The store belongs to this installation from now on.")
@as_json_option
def janitor(*, dry_run: bool, limit: int, older_than: float, adopt: bool, as_json: bool) -> None:
    """Find objects that no job needs, and delete them.

    Inputs, results and half-written files.

    Workers do the same by themselves, a part of the store each minute.

    \b
    Example: swapline janitor --dry-run
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.retention.orphans import Janitor  # noqa: PLC0415 -- only who uses a store loads it
    from swapline_producer.retention.sweep import Sweep  # noqa: PLC0415 -- the same

    producer = connections.producer()
    found = Janitor(producer.ledger, producer.storage, result_ttl=producer.settings.result_ttl, safe_age=older_than)
    found.check_owner(adopt=adopt, dry=dry_run)
    findings = found.everything(limit=limit, dry=dry_run)
    if not dry_run:
        Sweep(producer.ledger, producer.storage).all_due()
    _print(findings, as_json=as_json, dry=dry_run)


def _print(findings: Findings, *, as_json: bool, dry: bool) -> None:
    if as_json:
        print_json({**asdict(findings), "orphans": findings.orphans, "dry_run": dry})  # asdict makes pairs of a Counter
        return
    from swapline_producer.retention.orphans import sample  # noqa: PLC0415 -- only who uses a store loads it

    out.print(f"{findings.examined} objects examined{', and stopped at the limit' if findings.cut_short else ''}")
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
