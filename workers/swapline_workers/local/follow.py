"""Print new lines of the parts' logs, each behind the part's name."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
_CHECK_INTERVAL_S = 0.1
"""A reader takes it for immediate."""
_NAME_WIDTH = 9
"""`simulator`, the longest in the demo."""
_CHUNK_BYTES = 1_000_000
"""So that a large log does not fill the memory."""


class LogFollower:
    """A thread; logs need not exist yet."""

    def __init__(
        self,
        console: Console,
        logs: dict[str, Path],
        *,
        names: Sequence[str] | None = None,
        max_log_bytes: int | None = None,
    ) -> None:
        """Follow each log from its end. `names`: the first column. A log above `max_log_bytes` is rotated to `.1`."""
        self._console = console
        self._names = list(names or logs)
        self._width = max(_NAME_WIDTH, *(len(name) for name in self._names))
        self._max_log_bytes = max_log_bytes
        self._logs: dict[str, Path] = {}
        self._offsets: dict[str, int] = {}
        self._partial: dict[str, bytes] = {}
        for name, path in logs.items():
            self.follow(name, path)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-follower", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Print the last lines and end."""
        self._stopping.set()
        self._thread.join()

    def follow(self, name: str, path: Path) -> None:
        """Follow one more log from its current end."""
        self._offsets[name] = path.stat().st_size if path.exists() else 0
        self._partial[name] = b""
        self._logs[name] = path  # last, because the thread reads this dict

    def report(self, text: str) -> None:
        """Print lines of `up` itself among the logs'."""
        for line in text.splitlines():
            self._print("up", Text(line, style="bold"))

    def _run(self) -> None:
        while not self._stopping.wait(_CHECK_INTERVAL_S):
            self._print_new_lines()
        self._print_new_lines()

    def _print_new_lines(self) -> None:
        for name, path in list(self._logs.items()):
            with suppress(OSError):  # a full disk, or a log that was removed: try again at the next check
                while lines := self._new_lines(name, path):
                    for line in filter(str.strip, lines):
                        self._print(name, Text(line))

    def _print(self, name: str, text: Text) -> None:
        colour = _COLOURS[self._names.index(name) % len(_COLOURS)] if name in self._names else ""
        self._console.print(Text.assemble((f"{name:<{self._width}} │ ", colour), text), soft_wrap=True)

    def _new_lines(self, name: str, path: Path) -> list[str]:
        if not path.exists():
            return []
        with path.open("rb") as log:
            log.seek(self._offsets[name])
            new = log.read(_CHUNK_BYTES)
        self._offsets[name] += len(new)
        if not new:
            self._rotate(name, path)
        *lines, self._partial[name] = (self._partial[name] + new).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def _rotate(self, name: str, path: Path) -> None:
        """Copy a large log and truncate it. Lines written between are lost: microseconds in ten million bytes."""
        if self._max_log_bytes is not None and self._offsets[name] > self._max_log_bytes:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)
            self._offsets[name] = 0
