"""`swapline accounts`: the vendor's accounts, their use, and moves to a new address or key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from swapline_producer.cli import connections
from swapline_producer.cli.options import as_json_option
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.errors import NotPossible
from swapline_producer.terminal.output import out, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_producer.contract.accounts import AccountView
    from swapline_producer.operations.vendors import Credentials
    from swapline_producer.settings import VendorSettings


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def accounts(ctx: click.Context, *, as_json: bool) -> None:
    """Show the vendor's accounts and how each is used; drain them.

    \b
    Examples:
      swapline accounts --json
      swapline accounts drain brand-a
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if ctx.invoked_subcommand is not None:
        return
    ledger = connections.ledger()
    views, several = ledger.pool.views(), len(ledger.pool.known()) > 1
    found = [(view, ledger.accounts.get(view.name)) for view in views]
    bound = [(view, account) for view, account in found if account is not None]
    if as_json:
        print_json([account.as_dict() | _use(view) for view, account in bound])
    elif not bound:
        out.print("no worker has started yet: the ledger belongs to no vendor")
    for view, account in bound if not as_json else ():
        paid = f", paid by the key {account.vendor.short_key}" if account.vendor.key else ""
        out.print(f"{account.name}: {account.vendor}{paid}, since {rfc3339(account.since)}")
        out.print(f"  {_sentence(view)}")
        if view.reason:
            out.print(f"  submitting is paused until {rfc3339(view.closed_until) or 'the next probe'}: {view.reason}")
    for tenant, names in (ledger.pool.pins() if several and not as_json else {}).items():
        out.print(f"tenant {tenant}: on {', '.join(names)} only (`swapline tenants reset {tenant}`)")


def _use(view: AccountView) -> dict[str, Any]:
    """Return how an account is used, for programs."""
    return view.model_dump(exclude={"in_flight"}) | {"in_flight": len(view.in_flight), "breaker_open": view.trips > 0}


def _sentence(view: AccountView) -> str:
    """Return the same for a person."""
    per_day = "" if view.credits_per_day is None else f" of {view.credits_per_day:,}"
    more = f", labels {', '.join(view.labels)}" if view.labels else ""
    more += f", weight {view.weight:g}" if view.weight != 1 else ""
    drained = "drained: it is given no new jobs; " if view.drained else ""
    return (
        f"{drained}{len(view.in_flight)} of {view.cap} slots in use (the limit is {view.limit}), {view.jobs} jobs,"
        f" {view.credits_today:,}{per_day} credits today{more}"
    )


@accounts.command()
@click.argument("name")
def drain(name: str) -> None:
    """Give the account NAME no new jobs; those that it has end.

    \b
    Example: swapline accounts drain brand-a
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    ledger = connections.ledger()
    ledger.pool.set_drained(name, drained=True)
    [view] = [one for one in ledger.pool.views() if one.name == name]
    out.print(f"{name} is given no new jobs; {view.jobs} have not ended (`swapline accounts resume {name}`)")


@accounts.command()
@click.argument("name")
def resume(name: str) -> None:
    """Give the account NAME jobs again.

    \b
    Example: swapline accounts resume brand-a
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    connections.ledger().pool.set_drained(name, drained=False)
    out.print(f"{name} is given jobs again")


@accounts.command()
@click.argument("name", required=False)
@as_json_option
def adopt(name: str | None, *, as_json: bool) -> None:
    """Say that the vendor has moved to SWAPLINE_API_BASE_URL, or that SWAPLINE_API_KEY is a new key of the account.

    Where SWAPLINE_ACCOUNTS names several accounts: that the account NAME has moved to the address there. Workers with
    the old address or key may go on, and be started again for a day. A simulated vendor cannot take the place of a real
    one, nor the other way round, while jobs have not ended.

    \b
    Example: swapline accounts adopt
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    from swapline_producer.operations.vendors import adopt_vendor  # noqa: PLC0415 -- the same
    from swapline_producer.settings import VendorSettings, load  # noqa: PLC0415 -- not loaded for --help

    account, credentials = _credentials(load(VendorSettings), name)
    changed, vendor = adopt_vendor(connections.ledger(), credentials, account=account)
    if as_json:
        print_json({"changed": changed, **vendor._asdict(), "key": vendor.short_key})
    else:
        when = "from now on" if changed else "already"
        whose = "the ledger" if name is None else f"the account {name}"
        out.print(f"{whose} belongs to {vendor}, and the key {vendor.short_key} pays for its jobs, {when}")


def _credentials(settings: VendorSettings, name: str | None) -> tuple[str, Credentials]:
    from swapline_producer.ledger.accounts.registry import DEFAULT  # noqa: PLC0415 -- not loaded for --help
    from swapline_producer.operations.account_settings import accounts_source  # noqa: PLC0415 -- the same

    source = accounts_source(settings)
    known: Mapping[str, Credentials] = {DEFAULT: settings} if source is None else source.read()
    if name is None and source is not None:
        raise click.UsageError(f"SWAPLINE_ACCOUNTS names several accounts; say which: {', '.join(known)}.")
    account = name or DEFAULT
    if account not in known:
        raise NotPossible(f"The settings name no account {account!r}; they name {', '.join(known)}.")
    return account, known[account]
