"""`swapline webhooks endpoints` and `enable`: receivers that fail or are disabled."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from swapline_producer.cli import connections
from swapline_producer.cli.options import as_json_option
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.terminal.output import DONE, FAILED, out, print_json
from swapline_producer.terminal.tables import print_rows

if TYPE_CHECKING:
    from swapline_producer.contract.answers import Endpoint


@click.command()
@as_json_option
def endpoints(*, as_json: bool) -> None:
    """List the receivers that fail or are disabled, the longest failing first.

    An endpoint is one tenant's URL without its query. It is disabled when it answers 410, or has failed for
    SWAPLINE_WEBHOOK_DISABLE_AFTER: its webhooks are then given up at once. Its record expires SWAPLINE_JOB_TTL after
    its last failure; then it is called again.

    \b
    Example: swapline webhooks endpoints --json
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    found = connections.ledger().webhooks.endpoints()
    if as_json:
        print_json([_endpoint_facts(one) for one in found])
        return
    if not found:
        out.print("no endpoint fails")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("endpoint", "state", "tenant", "address", "failing since", "failures", "last answer"):
        table.add_column(name, overflow="fold")
    for one in found:
        state = (
            Text("disabled", "red").append(f" ({one.reason})", "default")
            if one.disabled_at
            else Text("failing", "yellow")
        )
        since = rfc3339(one.failing_since)
        table.add_row(one.endpoint_id, state, one.tenant, one.address, since, f"{one.failures:,}", one.error)
    print_rows(table)
    if any(one.disabled_at for one in found):
        out.print("`swapline webhooks enable EP_ID`, then `webhooks replay --all-failed --endpoint EP_ID`", style="dim")


@click.command()
@click.argument("endpoint_id", required=False)
@click.option("--all", "all_", is_flag=True, help="Every one that is disabled.")
@as_json_option
def enable(endpoint_id: str | None, *, all_: bool, as_json: bool) -> None:
    """Call a disabled endpoint again. What was given up meanwhile is sent by `webhooks replay`.

    \b
    Example: swapline webhooks enable ep_0f3a…
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if (endpoint_id is None) is not all_:
        raise click.UsageError("Say which: an endpoint's id (`swapline webhooks endpoints` shows them), or --all.")
    ledger = connections.ledger()
    disabled = [one.endpoint_id for one in ledger.webhooks.endpoints(limit=0) if one.disabled_at]
    ids = disabled if all_ else [endpoint_id or ""]
    enabled = [one for one in ids if ledger.webhooks.endpoint_recovered(one, lift=True)]
    if as_json:
        print_json({"enabled": enabled})
    elif enabled:
        out.print(f"enabled {', '.join(enabled)}; `swapline webhooks replay --all-failed` sends what was given up")
    else:
        out.print("no such endpoint fails or is disabled; `swapline webhooks endpoints` shows those that do")
    sys.exit(DONE if enabled or all_ else FAILED)


def _endpoint_facts(one: Endpoint) -> dict[str, Any]:
    facts = one.model_dump(exclude={"failing_since", "failed_at", "disabled_at"})
    timestamps = {name: rfc3339(getattr(one, name) or None) for name in ("failing_since", "failed_at", "disabled_at")}
    return facts | timestamps | {"disabled": one.disabled_at is not None}
