"""Whether a worker still works on jobs: what it shows of itself, and what follows from it.

That its process exists says little: its consumer may be stuck in a call, its clock dead, or every thread at a job that
never ends. A worker whose Redis is away for a moment works as it should: it waits. But one that could claim nothing for
two minutes is started again, since nobody can tell an outage from a connection that leads to the wrong server; not
while it offers the result of a paid call to the ledger, which a new process would not know.

All moments are seconds on the machine's monotonic clock, which every process of the machine shares and nobody sets.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Liveness:
    """What a worker shows of itself, and how long each of it may last. `…_within` are seconds."""

    pid: int
    at: float
    """When it was written."""
    silent_within: float
    stopping: bool
    """It was told to stop: its consumer and clock may rest while what is in hand is finished."""
    consumer_at: float
    """When its main thread last came by, reading messages or waiting for the broker."""
    consumer_within: float
    connected: bool
    dispatcher_at: float
    """When its clock last claimed, or tried to."""
    dispatcher_within: float
    claimed_at: float
    """When its clock last claimed; when it started, before its first claim."""
    claimed_within: float
    ledger_away: bool
    unwritten: int
    """Results of paid calls that are offered to a ledger which does not take them; given up after five minutes."""
    threads: int
    busy_since: tuple[float, ...]
    """For each job in hand: since when."""
    busy_within: float

    def text(self) -> str:
        """Write it down."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def read(cls, text: str) -> Liveness:
        """Read what `text` wrote. Raises ValueError for anything else."""
        try:
            facts: dict[str, Any] = json.loads(text)
            return cls(**facts | {"busy_since": tuple(facts["busy_since"])})
        except (TypeError, KeyError) as error:
            raise ValueError("these are no worker's vitals") from error


def liveness_problem(liveness: Liveness, now: float) -> str | None:
    """Say what keeps this worker from working, so that it must be started again; None when it is alive."""
    silent = now - liveness.at
    if not 0 <= silent <= liveness.silent_within:  # from the future: of a life before the machine's last start
        return f"it has not shown itself for {silent:.0f} s: it is frozen or gone"
    if liveness.stopping:
        return None
    stuck = [since for since in liveness.busy_since if now - since > liveness.busy_within]
    unclaimed = now - liveness.claimed_at
    wrong = {
        f"its main thread has been stuck for {now - liveness.consumer_at:.0f} s, and reads no messages": (
            now - liveness.consumer_at > liveness.consumer_within
        ),
        f"its clock has been stuck for {now - liveness.dispatcher_at:.0f} s": now - liveness.dispatcher_at
        > liveness.dispatcher_within,
        f"it could claim nothing for {unclaimed:.0f} s: the ledger is away or takes no writes": (
            unclaimed > liveness.claimed_within and not liveness.unwritten
        ),
        f"all its {liveness.threads} threads have been at one job each for more than {liveness.busy_within:.0f} s": (
            len(stuck) >= liveness.threads
        ),
    }
    return next((sentence for sentence, applies in wrong.items() if applies), None)


def hindrance(liveness: Liveness, now: float) -> str | None:
    """Say why this worker takes no jobs just now; None when it is ready."""
    if (wrong := liveness_problem(liveness, now)) is not None:
        return wrong
    if liveness.stopping:
        return "it is stopping"
    if not liveness.connected:
        return "it waits for the broker"
    return "it waits for the ledger" if liveness.ledger_away else None
