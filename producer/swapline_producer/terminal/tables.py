"""Tables and colours, for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from swapline_producer.contract import Job, Notification, State
from swapline_producer.contract.timestamps import rfc3339
from swapline_producer.terminal.output import WIDE, ago, job_facts, out, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

COLOURS = {
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.TIMED_OUT: "red",
    State.EXPIRED: "red",
    State.HELD: "yellow",
    State.CANCELED: "dim",
}

NARROW = 100
"""Columns below which a list shows less."""

NO_LINKS: Mapping[str, str] = MappingProxyType({})


def print_rows(table: Table) -> None:
    """Print a table; on a narrow terminal lines run on, without cut words."""
    console = out.console
    width = console.width
    natural = console.measure(table, options=console.options.update(width=WIDE)).maximum
    try:
        console.width = max(width, natural) if width < NARROW else width
        out.print(table)
    finally:
        console.width = width


def print_job(job: Job, now: int | None = None, due: int | None = None, links: Mapping[str, str] = NO_LINKS) -> None:
    """Print a job; `now` (milliseconds) for ages, `due`: its next time, `links`: URLs by key."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")  # a key that is cut is of no use
    for name, value in job_facts(job).items():
        if name == "state":
            table.add_row(name, coloured_state(job))
        elif name == "images":
            for image in job.images:
                table.add_row("image", f"{image.key}  {image.width}x{image.height}  {image.bytes:,} bytes")
                if image.key in links:
                    table.add_row("link", Text(links[image.key]))
        elif value not in (None, {}, []) and name != "request":
            since = f"  {ago(getattr(job, name), now)}" if now and name.endswith("_at") else ""
            table.add_row(name, Text(f"{value}{since}"))
    if now and due:
        table.add_row("next", Text(f"in {span((due - now) / 1000)}" if due > now else "now"))
    out.print(table)


def print_jobs(found: Iterable[Job], now: int | None = None, row_of: Callable[[Job], int | None] | None = None) -> None:
    """Print jobs, a line each; `now` (milliseconds) for ages, `row_of` for manifests."""
    narrow = out.console.width < NARROW
    table = Table(box=None, header_style="dim", pad_edge=False)
    if row_of:
        table.add_column("row", no_wrap=True, justify="right")
    table.add_column("job", no_wrap=True, min_width=32)  # a cut id is of no use
    table.add_column("state", no_wrap=True)
    for name in ("code", "tenant", "age" if now else "created", *(() if narrow else ("polls", "credits")), "webhook"):
        table.add_column(name, overflow="fold")
    for job in found:
        numbers = () if narrow else (str(job.polls), str(job.credits))
        table.add_row(
            *((str(row_of(job) or ""),) if row_of else ()),
            job.job_id,
            coloured_state(job),
            job.failure_code or "",
            Text(job.tenant),
            ago(job.created_at, now) if now else rfc3339(job.created_at),
            *numbers,
            "" if job.notification is Notification.NONE else job.notification,
        )
    print_rows(table)


def coloured_state(job: Job) -> Text:
    """Return a job's state in its colour."""
    wanted = job.canceling is not None and not job.state.finished
    return coloured(job.state).append(" (canceling)" if wanted else "", style="dim")


def coloured(state: State) -> Text:
    """Return a state in its colour."""
    return Text(state, style=COLOURS.get(state, "cyan"))
