"""`swapline limits`: limits of the whole installation, and the workers that name them."""

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
    from swapline_producer.ledger.accounts.workers import WorkerRecord

KINDS: dict[str, click.ParamType[Any]] = {
    "MAX_IN_FLIGHT": click.IntRange(1, 10_000),
    "RESCUE_AFTER": Finite(1, 86_400),
    "SUBMIT_RATE": Finite(0, 1_000_000, min_open=True),
    "POLL_RATE": Finite(0, 1_000_000, min_open=True),
    "CREDITS_PER_DAY": click.IntRange(0, 1_000_000_000),
}

NAME = click.Choice(list(KINDS), case_sensitive=False)


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def limits(ctx: click.Context, *, as_json: bool) -> None:
    """Show the limits of the installation. A limit is what all workers that name it in their settings say.

    Where workers differ, and where none names it any more, it stays as it is.

    \b
    Examples:
      swapline limits --json
      swapline limits forget CREDITS_PER_DAY
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if ctx.invoked_subcommand is not None:
        return
    reached = connections.ledger()
    found, workers = reached.limits.current(), reached.workers.alive()
    rows = {name: (getattr(found, name.lower()), _named_by(workers, name)) for name in KINDS}
    if as_json:
        print_json({name.lower(): {"value": value, "named": named} for name, (value, named) in rows.items()})
        return
    table = Table("limit", "counts", "named by", box=None, pad_edge=False)
    for name, (value, named) in rows.items():
        who = "; ".join(f"{one}: {', '.join(by)}" for one, by in named.items())
        table.add_row(name, "-" if value is None else f"{value:g}", who or ("no worker" if value is not None else ""))
    print_rows(table)


@limits.command("set")
@click.argument("name", type=NAME)
@click.argument("value")
@click.pass_context
def set_limit(ctx: click.Context, name: str, value: str) -> None:
    """Set a limit that no worker names in its settings.

    \b
    Example: swapline limits set CREDITS_PER_DAY 2000
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.contract.accounts import Limits  # noqa: PLC0415 -- not loaded for --help

    number: Any = KINDS[name].convert(value, None, ctx)
    reached = connections.ledger()
    _check_unnamed(reached, name)
    reached.limits.configure(Limits(**{name.lower(): number}))
    out.print(f"{name} is {number:g} from now on")


@limits.command("forget")
@click.argument("name", type=NAME)
def forget_limit(name: str) -> None:
    """Lift a limit that no worker names in its settings any more.

    \b
    Example: swapline limits forget CREDITS_PER_DAY
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    reached = connections.ledger()
    _check_unnamed(reached, name)
    reached.limits.forget([name.lower()])
    out.print(f"{name} is forgotten; it counts again when a worker names it")


def _named_by(workers: list[WorkerRecord], name: str) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for worker in workers:
        value = getattr(worker.limits, name.lower())
        if value is not None:
            named.setdefault(f"{value:g}", []).append(worker.name)
    return named


def _check_unnamed(reached: Ledger, name: str) -> None:
    for value, by in _named_by(reached.workers.alive(), name).items():
        raise NotPossible(
            f"{by[0]} has SWAPLINE_{name}={value} in its settings, so that counts: change it there, in all workers."
        )
