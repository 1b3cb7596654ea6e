"""`swapline board` for tests, in a child process on a free port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.http.half_requests import USUAL_FILES
from support.programs.installation import SWAPLINE
from support.programs.processes import start
from support.redis.fixtures import waited_for

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

RIGHT = ("swapline", "right")


@contextmanager
def board(folder: Path, *arguments: str, **environment: str) -> Generator[str]:
    """Run `swapline board` for the length of a block; gives its address."""
    ready = folder / "board.json"
    child = start(
        [*USUAL_FILES, SWAPLINE, "board", "--port", "0", "--ready-file", ready, *arguments],
        env={"PATH": os.environ["PATH"], "SWAPLINE_BOARD_PASSWORD": RIGHT[1], **environment},
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        waited_for(lambda: ready.exists() or child.poll() is not None)
        yield json.loads(ready.read_text())["url"]
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) in {0, -signal.SIGTERM}
