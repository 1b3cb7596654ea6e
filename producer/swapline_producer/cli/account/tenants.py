"""`swapline tenants`: the accounts that a tenant's jobs may run on."""

from __future__ import annotations

import click

from swapline_producer.cli import connections
from swapline_producer.cli.options import as_json_option
from swapline_producer.contract import checked
from swapline_producer.terminal.output import out, print_json


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def tenants(ctx: click.Context, *, as_json: bool) -> None:
    """Show the tenants whose jobs run on some of the vendor's accounts only.

    \b
    Examples:
      swapline tenants --json
      swapline tenants set acme --accounts brand-a
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if ctx.invoked_subcommand is not None:
        return
    pins = connections.ledger().pool.pins()
    if as_json:
        print_json({tenant: {"accounts": list(names)} for tenant, names in pins.items()})
    elif not pins:
        out.print("the jobs of every tenant run on all accounts")
    for tenant, names in pins.items() if not as_json else ():
        out.print(f"{tenant}: on {', '.join(names)} only")


@tenants.command("set")
@click.argument("tenant")
@click.option("--accounts", "names", required=True, help="Names and labels of accounts, with commas between them.")
def set_tenant(tenant: str, names: str) -> None:
    """Run the jobs of TENANT on some accounts only. Those that wait follow; a request that names its account stays.

    \b
    Example: swapline tenants set acme --accounts brand-a,eu
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise click.UsageError("--accounts: name one at least; `swapline tenants reset` lifts it.")
    connections.ledger().pool.pin(checked("tenant", tenant), wanted)
    out.print(f"the jobs of {tenant} run on {', '.join(sorted(set(wanted)))} only")


@tenants.command("reset")
@click.argument("tenant")
def reset_tenant(tenant: str) -> None:
    """Run the jobs of TENANT on all accounts.

    \b
    Example: swapline tenants reset acme
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    connections.ledger().pool.pin(checked("tenant", tenant), [])
    out.print(f"the jobs of {tenant} run on all accounts")
