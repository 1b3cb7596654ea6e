"""`swapline webhooks list` and `replay`: what was not delivered, and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.table import Table
from rich.text import Text

from swapline_producer.cli import connections
from swapline_producer.cli.options import AgeType, as_json_option
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.terminal.output import DONE, FAILED, out, print_json
from swapline_producer.terminal.tables import print_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swapline_producer.cli.options import Age
    from swapline_producer.contract import JobEvent
    from swapline_producer.ledger import Ledger
    from swapline_producer.operations.deliveries import DeliveryOutcome
    from swapline_producer.producer import Producer


since_option = click.option("--since", type=AgeType(), help="Given up since: 2h, 5d, or 2026-11-22T03:00Z.")
tenant_option = click.option("--tenant", help="Only this tenant's.")
endpoint_option = click.option("--endpoint", metavar="EP_ID", help="Only those to this endpoint.")


@click.command("list")
@click.option("--failed", is_flag=True, help="Only those that are given up (DEAD), none that are tried again.")
@tenant_option
@endpoint_option
@since_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Webhooks to list.")
@as_json_option
def list_(
    *,
    failed: bool,
    tenant: str | None,
    endpoint: str | None,
    since: Age | None,
    limit: int,
    as_json: bool,
) -> None:
    """List webhooks that failed, the last first: given up (DEAD), or tried again (PENDING).

    \b
    Example: swapline webhooks list --failed --since 1d
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    ledger = connections.ledger()
    found = _failing(ledger, _timestamp(ledger, since), limit, _filter(tenant, endpoint), failed=failed)
    facts = [_facts(outcome, ledger.jobs.events(outcome.record_id)) for outcome in found]
    totals = ledger.webhooks.failing_counts()
    if as_json:
        print_json(facts)
        return
    if facts:
        _print_deliveries(facts)
    out.print(f"{totals['dead']:,} given up, {totals['retrying']:,} failed and tried again")
    if totals["dead"]:
        out.print("`swapline webhooks replay --all-failed` sends what was given up once more", style="dim")


@click.command()
@click.argument("record_id", required=False, metavar="[JOB_ID | batch:TENANT:NAME]")
@click.option("--all-failed", is_flag=True, help="All that were given up.")
@since_option
@tenant_option
@endpoint_option
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@as_json_option
def replay(
    record_id: str | None,
    *,
    all_failed: bool,
    since: Age | None,
    tenant: str | None,
    endpoint: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send webhooks once more, under the same webhook-id, with a whole new schedule of attempts.

    One, whatever became of it; or those given up, since a moment or all.

    \b
    Examples:
      swapline webhooks replay 0193…
      swapline webhooks replay --since 2h --dry-run
      swapline webhooks replay --all-failed --tenant acme
    """  # noqa: D301 -- click's mark for a block that keeps its lines
    if sum((record_id is not None, all_failed, since is not None)) != 1:
        raise click.UsageError("Say which: a JOB_ID, --since or --all-failed (one of them).")
    from swapline_producer.operations.deliveries import Replay, given_up  # noqa: PLC0415 -- not loaded for --help

    producer = connections.producer()
    ledger = producer.ledger
    ids = [record_id] if record_id else given_up(ledger, _timestamp(ledger, since))
    again = Replay(ledger, producer.recovery, dry_run=dry_run)
    sent = [outcome.record_id for outcome in again.run(ids, _filter(tenant, endpoint))]
    if record_id and not any(again.counts.values()):
        _explain(producer, record_id)
    if as_json:
        print_json({"dry_run": dry_run, **again.counts, "ids": sent, "disabled_endpoints": dict(again.endpoints)})
    else:
        _print_replayed(again.counts, again.endpoints, dry_run=dry_run)
    sys.exit(FAILED if record_id and not sent else DONE)


def _timestamp(ledger: Ledger, since: Age | None) -> int:
    if since is None:
        return 0
    return since.at(ledger.now())


def _filter(tenant: str | None, endpoint: str | None) -> Callable[[DeliveryOutcome], bool]:
    return lambda outcome: (
        (tenant is None or outcome.tenant == tenant) and (endpoint is None or outcome.endpoint_id == endpoint)
    )


def _failing(
    ledger: Ledger, since: int, limit: int, wanted: Callable[[DeliveryOutcome], bool], *, failed: bool
) -> Sequence[DeliveryOutcome]:
    """Return the first `limit` wanted: batches, then given up, then tried again."""
    from swapline_producer.operations.deliveries import read  # noqa: PLC0415 -- slow to load

    found: list[DeliveryOutcome] = []
    kinds: tuple[Literal["dead", "retrying"], ...] = ("dead",) if failed else ("dead", "retrying")
    for kind in kinds:
        for batches in (True, False):
            ids = ledger.webhooks.failing_ids(kind, limit=-1, since=since, batches=batches)
            for outcome in read(ledger, ids):
                if len(found) == limit:
                    return found
                if wanted(outcome):
                    found.append(outcome)
    return found


def _facts(outcome: DeliveryOutcome, events: Sequence[JobEvent]) -> dict[str, Any]:
    from swapline_producer.operations.deliveries import delivery_log  # noqa: PLC0415 -- slow to load
    from swapline_producer.webhooks.endpoints import endpoint_of  # noqa: PLC0415 -- beside its use

    last = (delivery_log(events) or [{}])[-1]
    endpoint = endpoint_of(outcome.tenant, outcome.url)
    return {
        "id": outcome.record_id,
        "event": outcome.event,
        "tenant": outcome.tenant,
        "notification": outcome.record.notification,
        "attempts": outcome.record.notify_attempts,
        "endpoint": endpoint.endpoint_id,
        "address": endpoint.address,
        "last_at": rfc3339(last.get("at")),
        "status": last.get("status"),
        "error": last.get("error"),
    }


def _print_deliveries(facts: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("job or batch", "event", "webhook", "tries", "last", "to", "why"):
        table.add_column(name, overflow="fold")
    for one in facts:
        state = Text(one["notification"], "red" if one["notification"] == "DEAD" else "yellow")
        why = one["error"] or ""
        table.add_row(one["id"], one["event"], state, str(one["attempts"]), one["last_at"], one["address"], why)
    print_rows(table)


def _print_replayed(counts: dict[str, int], endpoints: dict[str, int], *, dry_run: bool) -> None:
    out.print(f"{counts['replayed']:,} webhooks {'would be' if dry_run else 'are'} sent once more")
    if counts["moved_on"]:
        out.print(f"{counts['moved_on']:,} have moved on meanwhile")
    for endpoint_id, number in endpoints.items():
        out.print(f"{number:,} not: {endpoint_id} is disabled; `swapline webhooks enable {endpoint_id}`, then again")


def _explain(producer: Producer, record_id: str) -> None:
    from swapline_producer.contract import is_batch  # noqa: PLC0415 -- beside its use

    if is_batch(record_id):
        producer.recovery.notify_batch_again(record_id)
    else:
        producer.recovery.notify_again(record_id)
