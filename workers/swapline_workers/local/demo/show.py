"""The demo's output: progress, and the table of results."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from swapline_producer.contract import Notification, State
from swapline_producer.terminal.tables import coloured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

    from swapline_producer.contract import Job
    from swapline_workers.local.demo.run import Entry

_DESCRIPTIONS = {
    State.QUEUED: "waits for a slot",
    State.SUBMITTING: "is being sent to the vendor",
    State.RUNNING: "runs at the vendor",
    State.STORING: "result is read, checked and stored",
}


@contextmanager
def progress(console: Console) -> Iterator[Callable[[list[Entry]], None]]:
    """Yield a function that shows states: live on a terminal, else changed lines."""
    if not console.is_terminal:
        yield _ChangePrinter(console).print
        return
    with Live(console=console, refresh_per_second=10, transient=True) as live:
        yield lambda entries: live.update(_progress_table(entries))


class _ChangePrinter:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._last: dict[int, str] = {}

    def print(self, entries: list[Entry]) -> None:
        for entry in entries:
            now = f"{entry.job.state} {_description(entry)}"
            if self._last.get(entry.number) != now:
                self._last[entry.number] = now
                seconds = time.monotonic() - self._started
                self._console.print(f"{seconds:7.1f} s  {entry.demo_job.title}: {now}")


def _progress_table(entries: list[Entry]) -> Table:
    table = Table.grid(padding=(0, 2))
    for entry in entries:
        mark: RenderableType = Text("✓", "green") if entry.good else Spinner("dots", style="cyan")
        age = Text(f"{_age_s(entry.job):5.1f} s")
        description = Text(_description(entry), "dim")
        table.add_row(mark, Text(entry.demo_job.title), coloured(entry.job.state), age, description)
    return table


def _description(entry: Entry) -> str:
    if entry.verified:
        return "webhook received, its signature is right"
    if entry.job.state.finished and entry.job.notification is Notification.PENDING:
        return "webhook is on its way"
    return _DESCRIPTIONS.get(entry.job.state, entry.job.failure_code or "")


def _age_s(job: Job) -> float:
    return (job.finished_at / 1000 if job.finished_at else time.time()) - job.created_at / 1000


def results(entries: list[Entry], pictures: Callable[[Entry], list[str]]) -> Table:
    """Return the table of results; `pictures` returns an entry's paths."""
    table = Table(header_style="dim", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("job", "state", "seconds", "picture", "webhook"):
        table.add_column(name, overflow="fold", justify="right" if name == "seconds" else "left")
    for entry in entries:
        job = entry.job
        failure = f"{job.failure_code or ''} {job.failure_detail or ''}".strip()
        table.add_row(
            Group(entry.demo_job.title, Text(job.job_id, "dim")),
            coloured(job.state),
            Text(f"{_age_s(job):.1f}"),
            Group(*(pictures(entry) or [failure])),
            Text("verified", "green") if entry.verified else Text(job.notification.lower(), "red"),
        )
    return table
