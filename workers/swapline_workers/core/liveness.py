"""Whether a worker still works on jobs, by its heartbeat file: a process may live while its threads are stuck.

Times are seconds on the machine's monotonic clock.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Liveness:
    """A worker's state, and how long each part may last (`…_within`, seconds)."""

    pid: int
    at: float
    silent_within: float
    stopping: bool
    consumer_at: float
    """When the main thread last read messages, or waited for the broker."""
    consumer_within: float
    connected: bool
    dispatcher_at: float
    """When it last claimed, or tried to."""
    dispatcher_within: float
    claimed_at: float
    """Of the last claim; before the first, of the start."""
    claimed_within: float
    ledger_away: bool
    unwritten: int
    """Paid results that the ledger does not take."""
    threads: int
    busy_since: tuple[float, ...]
    busy_within: float

    def text(self) -> str:
        """Return it as text."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def read(cls, text: str) -> Liveness:
        """Read a heartbeat file's text. Raises ValueError."""
        try:
            facts: dict[str, Any] = json.loads(text)
            return cls(**facts | {"busy_since": tuple(facts["busy_since"])})
        except (TypeError, KeyError) as error:
            raise ValueError("this is no worker's heartbeat") from error


def liveness_problem(liveness: Liveness, now: float) -> str | None:
    """Say why this worker must be restarted, or None."""
    silent = now - liveness.at
    if not 0 <= silent <= liveness.silent_within:  # from before the machine's last start
        return f"it has not shown itself for {silent:.0f} s: it is frozen or gone"
    if liveness.stopping:
        return None
    stuck = [since for since in liveness.busy_since if now - since > liveness.busy_within]
    unclaimed = now - liveness.claimed_at
    wrong = {
        f"its main thread has been stuck for {now - liveness.consumer_at:.0f} s, and reads no messages": (
            now - liveness.consumer_at > liveness.consumer_within
        ),
        f"its due dispatcher has been stuck for {now - liveness.dispatcher_at:.0f} s": now - liveness.dispatcher_at
        > liveness.dispatcher_within,
        f"it could claim nothing for {unclaimed:.0f} s: the ledger is away or takes no writes": (
            unclaimed > liveness.claimed_within and not liveness.unwritten
        ),
        f"all its {liveness.threads} threads have been at one job each for more than {liveness.busy_within:.0f} s": (
            len(stuck) >= liveness.threads
        ),
    }
    return next((sentence for sentence, applies in wrong.items() if applies), None)


def readiness_problem(liveness: Liveness, now: float) -> str | None:
    """Say why this worker takes no jobs now, or None."""
    if (wrong := liveness_problem(liveness, now)) is not None:
        return wrong
    if liveness.stopping:
        return "it is stopping"
    if not liveness.connected:
        return "it waits for the broker"
    return "it waits for the ledger" if liveness.ledger_away else None
