"""`swapline demo`, from the first line to the last."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from swapline_producer.cli.terminal import Terminal
from swapline_producer.errors import LedgerUnavailable
from swapline_producer.producer import Producer
from swapline_simulator import sample_photographs
from swapline_workers.local.demo.folder import DemoFolder
from swapline_workers.local.demo.jobs import demo_jobs, photographs
from swapline_workers.local.demo.run import Run
from swapline_workers.local.demo.services import Services, service_logs
from swapline_workers.local.demo.sheet import demo_sheet, link_pictures
from swapline_workers.local.demo.show import Progress, results
from swapline_workers.local.follow import LogFollower
from swapline_workers.local.supervisor import StopRequested, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from swapline_workers.local.demo.jobs import Photograph
    from swapline_workers.local.demo.run import Entry
    from swapline_workers.local.demo.services import Stage

_WIDTH_IN_A_FILE = 120
"""Columns where nobody's terminal says how many there are."""


def run_demo(photos: Sequence[Path], folder: Path, *, keep: bool, logs: bool) -> bool:
    """Run the demo; True where every job succeeded and every webhook was verified.

    Raises ImageError for a file that is no photograph, before anything is started, and LocalError with the end of a
    log for a service that does not run.
    """
    given = photographs(photos, sample_photographs())
    console = Terminal()
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_IN_A_FILE)
    demo_folder = DemoFolder.new(folder)
    with ExitStack() as ends:
        ends.callback(
            console.print, "Everything that was started has stopped.", style="dim"
        )  # the last one to be called
        if logs:
            ends.enter_context(LogFollower(console, service_logs(demo_folder)))
        supervisor = ends.enter_context(Supervisor(tell=console.print))
        stage = _start_everything(demo_folder, supervisor, console)
        entries = _put_through(given, stage, demo_folder, supervisor, console)
        _show_end(entries, demo_folder, console)
        if keep:
            _keep_up(stage, supervisor, console)
    return all(entry.good for entry in entries)


def _start_everything(demo_folder: DemoFolder, supervisor: Supervisor, console: Console) -> Stage:
    with console.status("starting") as status:

        def tell(name: str) -> None:
            status.update(f"starting {name}")
            if not console.is_terminal:
                console.print(f"starting {name}")

        stage = Services(demo_folder, supervisor, tell).start()
    console.print(_addresses(stage))
    return stage


def _put_through(
    given: Sequence[Photograph], stage: Stage, demo_folder: DemoFolder, supervisor: Supervisor, console: Console
) -> list[Entry]:
    run = Run(Producer.connect(stage.settings), demo_folder.record, supervisor)
    try:
        for demo_job in demo_jobs(given, stage.webhook_url):
            run.give(demo_job)
        with Progress(console).showing() as show:
            entries = run.watch(show)
    except LedgerUnavailable:
        supervisor.tick()  # where our own server has ended, it says so, and where its log is
        raise
    link_pictures(entries, demo_folder)
    demo_folder.sheet.write_text(demo_sheet(entries, demo_folder), encoding="utf-8")
    return entries


def _keep_up(stage: Stage, supervisor: Supervisor, console: Console) -> None:
    console.print()
    console.print("Still up, until Ctrl-C:")
    console.print(_addresses(stage))
    with suppress(StopRequested):
        supervisor.run()


def _addresses(stage: Stage) -> Table:
    return _pairs(
        {
            "Flower": f"{stage.flower.url}   user {stage.flower.user}, password {stage.flower.password}",
            "simulated vendor": f"{stage.vendor_url}/_control/page",
        },
    )


def _show_end(entries: list[Entry], demo_folder: DemoFolder, console: Console) -> None:
    def pictures(entry: Entry) -> list[str]:
        count = len(entry.job.images)
        return [_near(demo_folder.picture(entry.number, number)) for number in range(1, count + 1)]

    console.print()
    console.print(results(entries, pictures))
    console.print()
    console.print(
        _pairs(
            {
                "contact sheet": _near(demo_folder.sheet),
                "results": _near(demo_folder.storage / "results"),
                "webhooks": _near(demo_folder.record),
                "logs": _near(demo_folder.logs),
            },
        ),
        soft_wrap=True,
    )


def _pairs(facts: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table


def _near(path: Path) -> str:
    """The path as someone standing here would write it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
