"""Shows what services write to their logs, line by line, each behind its service's name."""

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
_OURS = "bold"
_CHECK_INTERVAL_S = 0.1
"""Seconds: what a reader takes for immediate."""
_NAME_WIDTH = 9
"""Characters: `simulator`, the longest name in the demo."""
_PIECE = 1_000_000
"""Bytes of a log that are read and shown at once: one that grew much meanwhile must not fill the memory."""


class LogFollower:
    """A thread that reads the new lines of some logs and prints them. Logs need not exist yet."""

    def __init__(
        self,
        console: Console,
        logs: dict[str, Path],
        *,
        names: Sequence[str] | None = None,
        keep_under: int | None = None,
    ) -> None:
        """Follow each named log from where it ends now.

        `names` are those that will be followed, for the width and the colours of the first column. A log that has
        grown above `keep_under` bytes is set aside as `.1`, in the place of an earlier one.
        """
        self._console = console
        self._names = list(names or logs)
        self._width = max(_NAME_WIDTH, *(len(name) for name in self._names))
        self._keep_under = keep_under
        self._logs: dict[str, Path] = {}
        self._read: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}
        for name, path in logs.items():
            self.follow(name, path)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log-follower", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.stop()

    def stop(self) -> None:
        """Follow no more, after one last look."""
        self._done.set()
        self._thread.join()

    def follow(self, name: str, path: Path) -> None:
        """Follow one more log, from where it ends now."""
        self._read[name] = path.stat().st_size if path.exists() else 0
        self._rest[name] = b""
        self._logs[name] = path  # last: the thread looks at what stands here

    def say(self, sentence: str, *, name: str = "up") -> None:
        """Print something of our own among the lines."""
        for line in sentence.splitlines():
            self._print(name, Text(line, style=_OURS))

    def _follow(self) -> None:
        while not self._done.wait(_CHECK_INTERVAL_S):
            self._look()
        self._look()

    def _look(self) -> None:
        for name, path in list(self._logs.items()):
            with suppress(OSError):  # a full disk, or somebody who tidies up: the next look may be luckier
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
            log.seek(self._read[name])
            new = log.read(_PIECE)
        self._read[name] += len(new)
        if not new:
            self._set_aside(name, path)
        *lines, self._rest[name] = (self._rest[name] + new).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def _set_aside(self, name: str, path: Path) -> None:
        """Copy a large log and empty it: who writes it has it open to append, and goes on where it then ends.

        A line that is written between the two is lost, which is microseconds each ten million bytes.
        """
        if self._keep_under is not None and self._read[name] > self._keep_under:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)
            self._read[name] = 0
