"""What the demo shows while it runs, on a terminal and in a file, and the table at its end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from swapline_producer.cli.output import coloured
from swapline_producer.contract import Notification, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

    from swapline_producer.contract import Job
    from swapline_workers.local.demo.run import Entry

_WORDS = {
    State.QUEUED: "waits for a slot",
    State.SUBMITTING: "is being sent to the vendor",
    State.RUNNING: "runs at the vendor",
    State.STORING: "result is read, checked and stored",
}
"""What a state means, for who sees it for the first time."""


class Progress:
    """Shows jobs as they move: a table that changes in place on a terminal, a line for each change elsewhere."""

    def __init__(self, console: Console) -> None:
        """Show on this console."""
        self._console = console
        self._began = time.monotonic()
        self._last: dict[int, str] = {}

    @contextmanager
    def showing(self) -> Iterator[Callable[[list[Entry]], None]]:
        """Give what is to be called with the entries, again and again."""
        if not self._console.is_terminal:
            yield self._print_changes
            return
        with Live(console=self._console, refresh_per_second=10, transient=True) as live:
            yield lambda entries: live.update(_moving(entries))

    def _print_changes(self, entries: list[Entry]) -> None:
        for entry in entries:
            now = f"{entry.job.state} {_words(entry)}"
            if self._last.get(entry.number) != now:
                self._last[entry.number] = now
                seconds = time.monotonic() - self._began
                self._console.print(
                    f"{seconds:7.1f} s  {entry.title}: {now}",
                )


def _moving(entries: list[Entry]) -> Table:
    table = Table.grid(padding=(0, 2))
    for entry in entries:
        mark: RenderableType = Text("✓", "green") if entry.good else Spinner("dots", style="cyan")
        age = Text(f"{_age(entry.job):5.1f} s")
        table.add_row(mark, Text(entry.title), coloured(entry.job.state), age, Text(_words(entry), "dim"))
    return table


def _words(entry: Entry) -> str:
    if entry.verified:
        return "webhook received, its signature is right"
    if entry.job.state.finished and entry.job.notification is Notification.PENDING:
        return "webhook is on its way"
    return _WORDS.get(entry.job.state, entry.job.failure_code or "")


def _age(job: Job) -> float:
    """Seconds since the job was accepted, until it finished."""
    return (job.finished_at / 1000 if job.finished_at else time.time()) - job.created_at / 1000


def results(entries: list[Entry], pictures: Callable[[Entry], list[str]]) -> Table:
    """Give the table at the end; `pictures` gives the paths of an entry's results as people should read them."""
    table = Table(header_style="dim", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("job", "state", "seconds", "picture", "webhook"):
        table.add_column(name, overflow="fold", justify="right" if name == "seconds" else "left")
    for entry in entries:
        job = entry.job
        failure = f"{job.failure_code or ''} {job.failure_detail or ''}".strip()
        table.add_row(
            Group(entry.title, Text(job.job_id, "dim")),
            coloured(job.state),
            Text(f"{_age(job):.1f}"),
            Group(*(pictures(entry) or [failure])),
            Text("verified", "green") if entry.verified else Text(job.notification.lower(), "red"),
        )
    return table
