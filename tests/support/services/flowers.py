"""`swapline flower` for tests, in a child process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from support.http.half_requests import USUAL_FILES
from support.programs.installation import SWAPLINE
from swapline_workers.local.ready import login_works
from swapline_workers.local.supervision.child import Child, Program

if TYPE_CHECKING:
    from pathlib import Path

ME = ("me", "right")


def flower(folder: Path, port: int, **settings: str) -> Child:
    """Give a Flower that is not started yet; it is ready when it lets ME in."""
    return Child(
        Program(
            name="flower",
            argv=(*USUAL_FILES, str(SWAPLINE), "flower", f"--port={port}"),
            env={"PATH": os.environ["PATH"], **settings},
            cwd=folder,
            log=folder / "flower.log",
            ready=login_works(f"http://127.0.0.1:{port}/workers", user=ME[0], password=ME[1]),
        ),
    )
