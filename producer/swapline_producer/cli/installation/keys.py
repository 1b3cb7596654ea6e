"""`swapline keys`: who may use the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from swapline_producer.cli import connections
from swapline_producer.cli.options import Finite, as_json_option
from swapline_producer.contract.access import KeyLimits, Scope
from swapline_producer.contract.requests.swap_request import checked
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.terminal.output import out, print_json
from swapline_producer.terminal.tables import print_rows

if TYPE_CHECKING:
    from swapline_producer.contract.access import ApiKey


@click.group()
def keys() -> None:
    """Make, list and revoke API keys for `swapline gateway`. A key sees the jobs of its tenant, and no others."""


@keys.command()
@click.option("--tenant", default="default", show_default=True, help="Whose jobs it is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; may be given again.  [default: swaps:read and swaps:write]",
)
@click.option("--note", default="", help="For whom or what it is, for the list.")
@click.option("--rate", type=Finite(0.01, 100_000), help="Requests a second; else SWAPLINE_GATEWAY_RATE.")
@click.option("--burst", type=click.IntRange(1, 1_000_000), help="Requests at once; else SWAPLINE_GATEWAY_BURST.")
@click.option("--max-body", type=click.IntRange(1024), help="Bytes of a body; else SWAPLINE_GATEWAY_MAX_BODY.")
@as_json_option
def create(tenant: str, scopes: tuple[str, ...], note: str, *, as_json: bool, **limits: Any) -> None:
    """Make a key and print it: this once, for the ledger keeps only its hash.

    \b
    Example: swapline keys create --tenant acme --note "the shop"
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    wanted = [Scope(scope) for scope in scopes] or [Scope.READ, Scope.WRITE]
    key, made = connections.ledger().api_keys.create(
        checked("tenant", tenant), wanted, note=note, limits=KeyLimits(**limits)
    )
    if as_json:
        print_json({"key": key, **_facts(made)})
        return
    print(key)  # noqa: T201 -- the command line
    out.print(f"{made.key_id} of {tenant}: {', '.join(made.scopes)}; it is not shown again", style="dim")


@keys.command("list")
@as_json_option
def list_(*, as_json: bool) -> None:
    """List the keys, without the keys themselves, the oldest first.

    \b
    Example: swapline keys list --json
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    found = connections.ledger().api_keys.all()
    if as_json:
        print_json([_facts(one) for one in found])
        return
    if not found:
        out.print("no keys; `swapline keys create` makes one")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("key", "tenant", "scopes", "note", "made", "last used"):
        table.add_column(name, overflow="fold")
    for one in found:
        used = rfc3339(one.used_at) or "never"
        table.add_row(one.key_id, one.tenant, " ".join(one.scopes), one.note, rfc3339(one.created_at), used)
    print_rows(table)


@keys.command()
@click.argument("key_id")
@as_json_option
def revoke(key_id: str, *, as_json: bool) -> None:
    """Refuse a key from the next request on. Jobs that it has enqueued go on.

    \b
    Example: swapline keys revoke key_0f3a…
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    connections.ledger().api_keys.revoke(key_id)
    if as_json:
        print_json({"revoked": key_id})
    else:
        out.print(f"{key_id} is revoked")


def _facts(key: ApiKey) -> dict[str, Any]:
    facts = key.model_dump(exclude={"limits"}) | key.limits.model_dump()
    return facts | {"created_at": rfc3339(key.created_at), "used_at": rfc3339(key.used_at)}
