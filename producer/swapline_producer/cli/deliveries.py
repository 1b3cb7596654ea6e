"""How the delivery log of a job's webhook is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from swapline_producer.cli.show import moment, out

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from swapline_producer.contract import JobEvent

DIGEST_SHOWN = 12
"""Letters of a reply's digest that people are shown: enough to see that two are alike."""


def delivery_facts(events: Iterable[JobEvent]) -> list[dict[str, Any]]:
    """The attempts to deliver a job's webhook, oldest first, as programs read them."""
    from swapline_producer.deliveries import delivery_log  # noqa: PLC0415 -- not needed for --help

    return [{**attempt, "at": moment(attempt["at"])} for attempt in delivery_log(events)]


def print_attempts(attempts: Sequence[dict[str, Any]]) -> None:
    """The same as people read them; nothing where nothing was tried."""
    if not attempts:
        return
    table = Table(box=None, header_style="dim", pad_edge=False, title="webhook", title_justify="left")
    for name in ("when", "try", "answer", "seconds", "reply", "next in", "why"):
        table.add_column(name, overflow="fold")
    for one in attempts:
        digest = (one["response_sha256"] or "")[:DIGEST_SHOWN]
        facts = [one["attempt"], one["status"], one["seconds"], digest, one["next_in"], one["error"]]
        table.add_row(one["at"], *("" if fact is None else str(fact) for fact in facts))
    out.print(table)
