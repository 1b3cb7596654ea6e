"""Shows what services write to their logs, line by line, each behind its service's name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
_LOOK_EVERY = 0.1
"""Seconds: what a reader takes for immediate."""
_NAME_WIDTH = 9
"""Characters: `simulator`, the longest name there is."""


class LogFollower:
    """A thread that reads the new lines of some logs and prints them. Logs need not exist yet."""

    def __init__(self, console: Console, logs: dict[str, Path]) -> None:
        """Follow each named log from where it ends now."""
        self._console = console
        self._logs = logs
        self._read = {name: path.stat().st_size if path.exists() else 0 for name, path in logs.items()}
        self._rest = dict.fromkeys(logs, b"")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log-follower", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, after one last look."""
        self._done.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._done.wait(_LOOK_EVERY):
            self._look()
        self._look()

    def _look(self) -> None:
        for number, (name, path) in enumerate(self._logs.items()):
            for line in self._new_lines(name, path):
                prefix = (f"{name:<{_NAME_WIDTH}} │ ", _COLOURS[number % len(_COLOURS)])
                self._console.print(Text.assemble(prefix, Text.from_ansi(line)), soft_wrap=True)

    def _new_lines(self, name: str, path: Path) -> list[str]:
        if not path.exists():
            return []
        with path.open("rb") as log:
            log.seek(self._read[name])
            new = log.read()
        self._read[name] += len(new)
        *lines, self._rest[name] = (self._rest[name] + new).split(b"\n")
        return [line.decode(errors="replace") for line in lines]
