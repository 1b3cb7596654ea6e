"""Workers on stage: killed and started again, and what their logs say they have in their hands."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapline_workers.local.supervision.child import Child

TASK = re.compile(r"Task swapline\.(\w+)\[(\w+)-\w+\] (received|succeeded|retry|raised|ignored|rejected)")


@dataclass
class Actor:
    """One worker, which may be killed and started again any number of times."""

    number: int
    child: Child
    wanted: bool = False
    """Whether it should be running; one that ends by itself is a finding."""
    began: int = 0
    """Where in its log its present life begins."""

    def start(self) -> None:
        log = self.child.log
        self.began = log.stat().st_size if log.exists() else 0
        self.child.start()
        self.wanted = True

    def signal(self, number: int) -> None:
        if self.child.pid is not None and self.child.poll() is None:
            os.killpg(self.child.pid, number)

    def kill(self) -> list[tuple[str, str]]:
        """SIGKILL the whole group; return (job, step) of what it worked on."""
        self.wanted = False
        self.child.kill()
        return self.in_hand()

    def in_hand(self) -> list[tuple[str, str]]:
        """What it has received and not ended, by its own log: begun, or waiting for a thread."""
        held: dict[tuple[str, str], int] = {}
        with self.child.log.open("rb") as log:
            log.seek(self.began)
            for step, job, what in TASK.findall(log.read().decode(errors="replace")):
                held[job, step] = held.get((job, step), 0) + (1 if what == "received" else -1)
        return [task for task, times in held.items() if times > 0]
