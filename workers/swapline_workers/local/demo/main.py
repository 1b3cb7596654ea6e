"""Run `swapline demo`."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from swapline_producer.errors import LedgerUnavailable
from swapline_producer.producer import Producer
from swapline_producer.terminal.console import Terminal
from swapline_simulator import sample_photographs
from swapline_simulator.imaging.faces import detector_installed
from swapline_workers.local.demo.folder import DemoFolder
from swapline_workers.local.demo.jobs import demo_jobs, read_photographs
from swapline_workers.local.demo.run import DemoRun
from swapline_workers.local.demo.services import DemoServices, service_logs
from swapline_workers.local.demo.sheet import demo_sheet, link_pictures
from swapline_workers.local.demo.show import progress, results
from swapline_workers.local.folder import display_path
from swapline_workers.local.follow import LogFollower
from swapline_workers.local.supervision.supervisor import StopRequested, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from swapline_workers.local.demo.run import Entry
    from swapline_workers.local.demo.services import DemoEndpoints

_MIN_WIDTH_OF_FILE = 120

_NO_DETECTOR = (
    "The simulated vendor finds faces in your photographs once swapline-simulator[faces] is installed; until then it"
    " shows the whole photograph in the filter's style."
)


def run_demo(photos: Sequence[Path], folder: Path, *, keep: bool, logs: bool) -> bool:
    """Run the demo; return whether every job succeeded with a verified webhook.

    Raises ImageError before anything starts, and LocalError with the log's end.
    """
    photographs = read_photographs(photos, sample_photographs())
    console = Terminal()
    if not console.is_terminal:
        console.width = max(console.width, _MIN_WIDTH_OF_FILE)
    if photos and not detector_installed():
        console.print(_NO_DETECTOR, style="yellow")
    demo_folder = DemoFolder.new(folder)
    with ExitStack() as stack:
        stack.callback(console.print, "Everything that was started has stopped.", style="dim")  # called last
        if logs:
            stack.enter_context(LogFollower(console, service_logs(demo_folder)))
        supervisor = stack.enter_context(Supervisor(report=console.print))
        endpoints = _start_services(demo_folder, supervisor, console)
        run = DemoRun(Producer.connect(endpoints.settings), demo_folder.record, supervisor)
        try:
            for demo_job in demo_jobs(photographs, endpoints.webhook_url):
                run.enqueue(demo_job)
            with progress(console) as show:
                entries = run.wait(show)
        except LedgerUnavailable:
            supervisor.tick()  # raises ChildFailed, which names the log, if the embedded server has ended
            raise
        link_pictures(entries, demo_folder)
        demo_folder.sheet.write_text(demo_sheet(entries, demo_folder), encoding="utf-8")
        _show_results(entries, demo_folder, console)
        if keep:
            with suppress(StopRequested):
                console.print()
                console.print("Still up, until Ctrl-C:")
                console.print(_addresses(endpoints))
                supervisor.run()
    return all(entry.good for entry in entries)


def _start_services(demo_folder: DemoFolder, supervisor: Supervisor, console: Console) -> DemoEndpoints:
    with console.status("starting") as status:

        def report(name: str) -> None:
            status.update(f"starting {name}")
            if not console.is_terminal:
                console.print(f"starting {name}")

        endpoints = DemoServices(demo_folder, supervisor, report).start()
    console.print(_addresses(endpoints))
    return endpoints


def _addresses(endpoints: DemoEndpoints) -> Table:
    user, password = endpoints.flower_login
    return _facts_table(
        {
            "Flower": f"{endpoints.flower_url}   user {user}, password {password}",
            "simulated vendor": f"{endpoints.vendor_url}/_control/page",
        },
    )


def _show_results(entries: list[Entry], demo_folder: DemoFolder, console: Console) -> None:
    def pictures(entry: Entry) -> list[str]:
        numbers = range(1, len(entry.job.images) + 1)
        return [display_path(demo_folder.picture(entry.number, number)) for number in numbers]

    console.print()
    console.print(results(entries, pictures))
    console.print()
    paths = {
        "contact sheet": demo_folder.sheet,
        "results": demo_folder.storage / "results",
        "webhooks": demo_folder.record,
        "logs": demo_folder.logs,
    }
    console.print(_facts_table({name: display_path(path) for name, path in paths.items()}), soft_wrap=True)


def _facts_table(facts: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table
