"""Where everything of one run of the demo lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class DemoFolder:
    """One run's folder, numbered, so that no run touches what another one left."""

    root: Path

    @classmethod
    def new(cls, folder: Path) -> Self:
        """Make the next numbered folder below `folder`, and let `folder/latest` lead to it."""
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(run.name) for run in folder.iterdir() if run.name.isdecimal()), default=0)
        while True:
            try:
                (folder / str(number)).mkdir(mode=0o700)
            except FileExistsError:  # somebody else runs the demo as well
                number += 1
                continue
            break
        _point(folder / "latest", str(number))
        return cls(folder / str(number))

    @property
    def storage(self) -> Path:
        """The object storage: inputs and results."""
        return self.root / "storage"

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.root / "contact-sheet.html"

    def picture(self, job: int, number: int) -> Path:
        """A short way to one result of a job (both counted from 1): the storage's own names are long."""
        return self.root / (f"{job}.png" if number == 1 else f"{job}-{number}.png")

    @property
    def record(self) -> Path:
        """What the webhook receiver wrote down."""
        return self.root / "webhooks.jsonl"

    @property
    def valkey(self) -> Path:
        """The embedded server's data."""
        return self.root / "valkey"

    @property
    def logs(self) -> Path:
        """One log for each service."""
        return self.root / "logs"

    def log_of(self, name: str) -> Path:
        """The log of one service."""
        return self.logs / f"{name}.log"


def _point(link: Path, target: str) -> None:
    """Let a link lead somewhere else, in one step."""
    half = link.with_name(f".latest-{os.getpid()}")
    half.unlink(missing_ok=True)
    half.symlink_to(target)
    half.replace(link)
