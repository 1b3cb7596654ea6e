"""`swapline limits`: limits of the installation and its accounts, and the workers that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from swapline_producer.cli import connections
from swapline_producer.cli.options import Finite, as_json_option
from swapline_producer.errors import NotPossible
from swapline_producer.terminal.output import out, print_json
from swapline_producer.terminal.tables import print_rows

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger
    from swapline_producer.operations.limits import LimitInForce

KINDS: dict[str, click.ParamType[Any]] = {
    "MAX_IN_FLIGHT": click.IntRange(1, 10_000),
    "RESCUE_AFTER": Finite(1, 86_400),
    "SUBMIT_RATE": Finite(0, 1_000_000, min_open=True),
    "POLL_RATE": Finite(0, 1_000_000, min_open=True),
    "CREDITS_PER_DAY": click.IntRange(0, 1_000_000_000),
}

NAME = click.Choice(list(KINDS), case_sensitive=False)

account_option = click.option("--account", help="Of this account, where there are several.")


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def limits(ctx: click.Context, *, as_json: bool) -> None:
    """Show the limits of the installation and its accounts. What all workers that name a limit say counts.

    Where workers differ, and where none names it any more, it stays as it is.

    \b
    Examples:
      swapline limits --json
      swapline limits forget CREDITS_PER_DAY
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if ctx.invoked_subcommand is not None:
        return
    from swapline_producer.operations.limits import limits_in_force  # noqa: PLC0415 -- not loaded for --help

    found = limits_in_force(connections.ledger())
    accounts = sorted({one.account for one in found if one.account})
    if as_json:
        of_accounts = {"accounts": {account: _by_name(found, account) for account in accounts}} if accounts else {}
        print_json(_by_name(found, None) | of_accounts)
        return
    table = Table("limit", *(["account"] if accounts else []), "counts", "named by", box=None, pad_edge=False)
    for one in found:
        who = "; ".join(f"{value}: {', '.join(by)}" for value, by in one.named.items())
        cells = ["-" if one.value is None else f"{one.value:g}", who or ("no worker" if one.value is not None else "")]
        table.add_row(one.name.upper(), *([one.account or ""] if accounts else []), *cells)
    print_rows(table)


@limits.command("set")
@click.argument("name", type=NAME)
@click.argument("value")
@account_option
@click.pass_context
def set_limit(ctx: click.Context, name: str, value: str, account: str | None) -> None:
    """Set a limit that no worker names in its settings.

    \b
    Example: swapline limits set CREDITS_PER_DAY 2000
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.contract.accounts import Limits  # noqa: PLC0415 -- not loaded for --help

    number: Any = KINDS[name].convert(value, None, ctx)
    reached = _reached(name, account)
    reached.limits.configure(Limits(**{name.lower(): number}), account)
    out.print(f"{name}{_of(account)} is {number:g} from now on")


@limits.command("forget")
@click.argument("name", type=NAME)
@account_option
def forget_limit(name: str, account: str | None) -> None:
    """Lift a limit that no worker names in its settings any more.

    \b
    Examples:
      swapline limits forget CREDITS_PER_DAY
      swapline limits forget CREDITS_PER_DAY --account brand-a
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    _reached(name, account).limits.forget([name.lower()], account)
    out.print(f"{name}{_of(account)} is forgotten; it counts again when a worker names it")


def _by_name(found: list[LimitInForce], account: str | None) -> dict[str, Any]:
    return {one.name: {"value": one.value, "named": one.named} for one in found if one.account == account}


def _of(account: str | None) -> str:
    return f" of {account}" if account else ""


def _reached(name: str, account: str | None) -> Ledger:
    """Connect, if the limit is one that this account or installation has, and no worker names it."""
    from swapline_producer.operations.limits import OF_ACCOUNT, named_by  # noqa: PLC0415 -- not loaded for --help

    reached = connections.ledger()
    one_for_all = name.lower() not in OF_ACCOUNT
    if account is not None and one_for_all:
        raise NotPossible(f"{name} is a limit of the whole installation: leave --account out.")
    if account is None and not one_for_all and reached.pool.several():
        raise NotPossible(f"{name} is a limit of each account: add --account ({', '.join(reached.pool.known())}).")
    for value, by in named_by(reached.workers.alive(), name.lower(), account).items():
        setting = f"SWAPLINE_{name}={value}" if account is None else f"{name.lower()} {value} for {account}"
        raise NotPossible(f"{by[0]} has {setting} in its settings, so that counts: change it there, in all workers.")
    return reached
