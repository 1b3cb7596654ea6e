"""The folder of one demo run."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class DemoFolder:
    """Paths of one run. Runs are numbered."""

    def __init__(self, root: Path) -> None:
        """Derive all paths from the run's folder."""
        self.root = root
        self.storage = root / "storage"
        self.sheet = root / "contact-sheet.html"
        self.record = root / "webhooks.jsonl"
        self.valkey = root / "valkey"
        self.logs = root / "logs"

    @classmethod
    def new(cls, folder: Path) -> Self:
        """Make the next numbered folder, and point `latest` to it."""
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1 + max((int(run.name) for run in folder.iterdir() if run.name.isdecimal()), default=0)):
            try:
                (folder / str(number)).mkdir(mode=0o700)
            except FileExistsError:  # another demo started at the same time
                continue
            break
        _replace_link(folder / "latest", str(number))
        return cls(folder / str(number))

    def picture(self, job: int, number: int) -> Path:
        """Return the path of a job's result, both counted from 1."""
        return self.root / (f"{job}.png" if number == 1 else f"{job}-{number}.png")

    def log(self, name: str) -> Path:
        """Return the log of one service."""
        return self.logs / f"{name}.log"


def _replace_link(link: Path, target: str) -> None:
    temporary = link.with_name(f".latest-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
