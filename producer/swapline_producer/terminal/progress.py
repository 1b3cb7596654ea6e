"""Progress bars with rate and time left, on a terminal's standard error only."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from swapline_producer.terminal.console import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        """Draw it, once known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="dim")


@contextmanager
def progress(what: str, total: int | None, *, quiet: bool = False) -> Generator[Callable[[int], None]]:
    """Show a progress bar; yield a function that takes the steps done."""
    console = Terminal(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with (
        ctrl_c_checks() as check,
        Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bar,
    ):
        task = bar.add_task(what, total=total)

        def tick(steps: int) -> None:
            check()
            bar.advance(task, steps)

        yield tick


@contextmanager
def ctrl_c_checks() -> Generator[Callable[[], None]]:
    """Yield a function that raises KeyboardInterrupt where Ctrl-C's exception was lost in a finalizer."""
    pressed = False

    def press(*_: object) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    ours = before is signal.default_int_handler  # else it is ignored (nohup), or handled otherwise
    if ours:
        signal.signal(signal.SIGINT, press)
    try:
        yield check
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
