"""`swapline accounts`: which vendor the ledger belongs to."""

from __future__ import annotations

import click

from swapline_producer.cli import connections
from swapline_producer.cli.options import as_json_option
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.terminal.output import out, print_json


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def accounts(ctx: click.Context, *, as_json: bool) -> None:
    """Show which vendor's account the jobs of this ledger run on. Its first worker has decided that.

    \b
    Examples:
      swapline accounts --json
      swapline accounts adopt
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if ctx.invoked_subcommand is not None:
        return
    found = connections.ledger().accounts.get()
    if as_json:
        print_json([] if found is None else [found.as_dict()])
    elif found is None:
        out.print("no worker has started yet: the ledger belongs to no vendor")
    else:
        paid = f", paid by the key {found.vendor.short_key}" if found.vendor.key else ""
        out.print(f"{found.name}: {found.vendor}{paid}, since {rfc3339(found.since)}")


@accounts.command()
@as_json_option
def adopt(*, as_json: bool) -> None:
    """Say that the vendor has moved to SWAPLINE_API_BASE_URL, or that SWAPLINE_API_KEY is a new key of the account.

    Workers with the old address or key may go on, and be started again for a day. A simulated vendor cannot take the
    place of a real one, nor the other way round, while jobs have not ended.

    \b
    Example: swapline accounts adopt
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.operations.vendors import adopt_vendor  # noqa: PLC0415 -- the same
    from swapline_producer.settings import VendorSettings, load  # noqa: PLC0415 -- not loaded for --help

    changed, vendor = adopt_vendor(connections.ledger(), load(VendorSettings))
    if as_json:
        print_json({"changed": changed, **vendor._asdict(), "key": vendor.short_key})
    else:
        when = "from now on" if changed else "already"
        out.print(f"the ledger belongs to {vendor}, and the key {vendor.short_key} pays for its jobs, {when}")
