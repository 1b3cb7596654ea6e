"""`swapline slots` and `swapline credits`: how the account is used, and its limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from swapline_producer.cli import connections
from swapline_producer.cli.account.caps import print_caps, reached_caps
from swapline_producer.cli.options import Whole, as_json_option
from swapline_producer.contract import MOST_CREDITS, checked
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.contract.values import DEFAULT_ACCOUNT
from swapline_producer.terminal.output import out, print_json

if TYPE_CHECKING:
    from swapline_producer.contract.answers import Probe

_BELOW_ZERO = re.compile(r"-[\d.]+")


account_option = click.option("--account", default=DEFAULT_ACCOUNT, help="Of this account, where there are several.")


class Numbered(click.Command):
    """A command to which -3 is a number, not an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        ctx.ignore_unknown_options = any(_BELOW_ZERO.fullmatch(arg) for arg in args)
        return super().parse_args(ctx, args)


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def slots(ctx: click.Context, *, as_json: bool) -> None:
    """Show how the vendor's slots are used, and why the line stands still if it does.

    \b
    Examples:
      swapline slots --json
      swapline slots set 4
      swapline slots probe
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if ctx.invoked_subcommand is not None:
        return
    ledger = connections.ledger()
    view = ledger.limits.slots()
    caps = reached_caps(ledger, view)
    if as_json:
        print_json(view.model_dump() | {"reached_caps": caps})
        return
    out.print(f"{len(view.in_flight)} of {view.cap} slots in use (the limit is {view.limit}), {view.waiting} jobs wait")
    for one in view.accounts:
        paused = f"; paused: {one.reason}" if one.reason else ""
        drained = "; drained" if one.drained else ""
        out.print(f"  {one.name}: {len(one.in_flight)} of {one.cap} (the limit is {one.limit}){drained}{paused}")
    for job_id in view.in_flight:
        out.print(f"  {job_id}")
    if view.set_by:
        out.print(f"the limit was set by {view.set_by}; `swapline slots reset` goes back to SWAPLINE_MAX_IN_FLIGHT")
    if view.paused:
        out.print(f"submitting is paused until {rfc3339(view.closed_until) or 'the next probe'}: {view.reason}")
        out.print("when that is mended, `swapline slots probe` tries it now")
    if view.store_failing_since is not None:
        out.print(f"nothing new is submitted since {rfc3339(view.store_failing_since)}: {view.store_reason}")
    print_caps(caps)


@slots.command("set", cls=Numbered)
@click.argument("number", type=Whole(10_000))
@account_option
def set_slots(number: int, account: str) -> None:
    """Use NUMBER slots of an account from now on, over all workers; 0 submits nothing more.

    \b
    Example: swapline slots set 4
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    connections.ledger().limits.set_slots(number, by=connections.BY, account=account)
    of, back = _of(account)
    out.print(f"{number} slots{of} are used from now on; `swapline slots reset` goes back to {back}")


@slots.command("reset")
@account_option
def reset_slots(account: str) -> None:
    """Go back to the workers' setting SWAPLINE_MAX_IN_FLIGHT.

    \b
    Example: swapline slots reset
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    connections.ledger().limits.set_slots(None, account=account)
    of, back = _of(account)
    out.print(f"the workers' setting {back} counts again{of}")


def _of(account: str) -> tuple[str, str]:
    """Name an account in a sentence, and the setting of its slots."""
    if account == DEFAULT_ACCOUNT:
        return "", "SWAPLINE_MAX_IN_FLIGHT"
    return f" of {account}", "max_in_flight in SWAPLINE_ACCOUNTS"


@slots.command("probe")
@as_json_option
def probe_now(*, as_json: bool) -> None:
    """Try now whether the vendor accepts jobs again, instead of at the end of the pause.

    Use it when the key was changed, credits were bought or the network was mended. One job is submitted; if it is
    accepted, the others follow.

    \b
    Example: swapline slots probe
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    found = connections.producer().recovery.probe()
    jobs = [message.job_id for message in found.granted]
    if as_json:
        print_json({"open": found.open, "jobs": jobs, "probing": found.probing, "free": found.free})
    else:
        out.print(_probed(found, jobs))


def _probed(found: Probe, jobs: list[str]) -> str:
    if not found.open:
        return "submitting is not paused: there is nothing to try"
    if jobs:
        return f"{', '.join(jobs)} is submitted now; if the vendor accepts it, the others follow"
    if found.probing:
        return "a job is being submitted already: its reply decides"
    if found.free <= 0:
        return "no slot is free: the next free one goes to a job that tries it"
    return "nothing waits that may be submitted: the pause ends by itself (`swapline credits` shows daily limits)"


@click.group("credits", invoke_without_command=True)
@as_json_option
@click.pass_context
def credits_(ctx: click.Context, *, as_json: bool) -> None:
    """Show the credits spent today (UTC), by tenant, and the caps.

    \b
    Examples:
      swapline credits --json
      swapline credits set shop-1 500
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if ctx.invoked_subcommand is not None:
        return
    view = connections.ledger().limits.credits()
    if as_json:
        print_json(view.model_dump())
        return
    cap = f" of {view.per_day}" if view.per_day is not None else ""
    out.print(f"{view.day}: {view.spent}{cap} credits")
    for account, tenants in sorted(view.by_account.items()):
        out.print(f"  account {account}: {sum(tenants.values())} credits")
    for tenant in sorted({*view.by_tenant, *view.caps}):
        cap = f" of {view.caps[tenant]}" if tenant in view.caps else ""
        out.print(f"  {tenant}: {view.by_tenant.get(tenant, 0)}{cap}")


@credits_.command("set", cls=Numbered)
@click.argument("tenant")
@click.argument("per_day", type=Whole(MOST_CREDITS))
def set_credits(tenant: str, per_day: int) -> None:
    """Let TENANT spend PER_DAY credits a day; its jobs wait for tomorrow above that.

    \b
    Example: swapline credits set shop-1 500
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    connections.ledger().limits.set_credits(checked("tenant", tenant), per_day)
    out.print(f"{tenant} may spend {per_day} credits a day")


@credits_.command("reset")
@click.argument("tenant")
def reset_credits(tenant: str) -> None:
    """Lift the daily cap of TENANT.

    \b
    Example: swapline credits reset shop-1
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    connections.ledger().limits.set_credits(checked("tenant", tenant), None)
    out.print(f"{tenant} has no daily cap")
