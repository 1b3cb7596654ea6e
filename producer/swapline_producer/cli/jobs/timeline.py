"""What happened to one job, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from swapline_producer.contract import Notification
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.operations.deliveries import LINES, SHOWN
from swapline_producer.terminal.output import out, span
from swapline_producer.terminal.tables import NARROW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.contract import Job, JobEvent

BAR = 40
"""Characters of the longest bar."""

WRONG = ("held", "failed", "timed_out", "expired", "not stored", "not submitted", "ambiguous", "webhook failed")

GOOD = ("succeeded", "webhook delivered")


def timeline(events: Sequence[JobEvent]) -> list[dict[str, Any]]:
    """Return the log's lines; `after` and `since_previous`: seconds since the first, the previous."""
    first, lines, previous = events[0].at if events else 0, [], None
    for event in events:
        lines.append(
            {
                "at": rfc3339(event.at),
                "after": (event.at - first) / 1000,
                "since_previous": (event.at - (event.at if previous is None else previous)) / 1000,
                "name": event.name,
                "data": event.data,
            }
        )
        previous = event.at
    return lines


def stages(job: Job, events: Sequence[JobEvent], now: int) -> dict[str, float]:
    """Return the seconds of each stage, the present one until now (milliseconds)."""
    delivered_at = next((event.at for event in reversed(events) if event.name == "webhook delivered"), None)
    ended = job.finished_at
    begun = {"waiting": job.created_at, "at_the_vendor": job.submitted_at, "storing": job.terminal_at}
    left = {
        "waiting": job.submitted_at or ended,
        "at_the_vendor": job.terminal_at or ended,
        "storing": ended,
    }
    if ended is not None and job.notification in {Notification.PENDING, Notification.DELIVERED}:
        begun["webhook"] = ended
        left["webhook"] = delivered_at if job.notification is Notification.DELIVERED else None
    return {name: max(0, (left[name] or now) - start) / 1000 for name, start in begun.items() if start is not None}


def deliveries(events: Sequence[JobEvent]) -> list[dict[str, Any]]:
    """Return the delivery log's last attempts."""
    return [
        {"at": rfc3339(event.at), "result": event.name.removeprefix("webhook "), **event.data}
        for event in events
        if event.name in LINES
    ][-SHOWN:]


def print_timeline(events: Sequence[JobEvent]) -> None:
    """Print a line for each event."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("when", no_wrap=True)
    table.add_column("after", justify="right", no_wrap=True)
    table.add_column("since", justify="right", style="dim", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("", overflow="fold")
    for line in timeline(events):
        style = "red" if line["name"] in WRONG else "green" if line["name"] in GOOD else ""
        facts = "  ".join(f"{name}={value}" for name, value in line["data"].items())
        since = f"+{line['since_previous']:.3f} s"
        if out.console.width >= NARROW:
            table.add_row(line["at"], f"{line['after']:.3f} s", since, Text(line["name"], style=style), Text(facts))
        else:  # no room for columns: a line that runs on loses nothing
            out.print(Text.assemble(f"{line['at']}  {since}  ", (line["name"], style), f"  {facts}" if facts else ""))
    if table.row_count:
        out.print(table)


def print_stages(found: dict[str, float], *, ended: bool) -> None:
    """Print a bar for each stage."""
    longest = max(found.values(), default=0) or 1
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="cyan")
    for number, (name, seconds) in enumerate(found.items(), 1):
        so_far = " so far" if number == len(found) and not ended else ""
        bar = "█" * max(1, round(BAR * seconds / longest)) if seconds else ""
        table.add_row(name.replace("_", " "), span(seconds) + so_far, bar)
    out.print(table)
