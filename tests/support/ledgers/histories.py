"""A past for a ledger: the rows that a week of claims would have written."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from swapline_producer.contract.jobs.history import PERIODS

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger

SLOTS = 3
PER_SECOND = 0.3
"""Jobs that succeed at most."""


def fill_history(ledger: Ledger, now: int) -> None:
    """Write rows until now (milliseconds): a rush each day, an outage of two hours, some failures."""
    begin = now - 8 * 86_400_000
    for period in PERIODS.values():
        timestamps = range(now - (period.seconds + 2 * period.step) * 1000, now, period.step * 1000)
        rows = [json.dumps(row(begin, at)) for at in timestamps if not 0 < now - at - 40_000_000 < 7_200_000]
        ledger.client.rpush(f"{ledger.prefix}:history:{period.step}", *rows)
    last = row(begin, now)
    counts = last["counts"]
    assert isinstance(counts, dict)
    ledger.client.hset(f"{ledger.prefix}:count", mapping=counts)
    meter = {"used": last["used"], "waited": last["waited"], "idle:rate": last["idle"]}
    turnaround = last["turnaround"]
    assert isinstance(turnaround, dict)
    meter |= {f"t:turnaround:{bound}": jobs for bound, jobs in turnaround.items()}
    ledger.client.hset(f"{ledger.prefix}:meter", mapping=meter)  # type: ignore[arg-type]  # numbers


def row(begin: int, at: int) -> dict[str, object]:
    """What has been counted from the beginning until a timestamp."""
    seconds = (at - begin) / 1000
    swing = math.sin(seconds / 13_750) + 0.4 * math.sin(seconds / 700)
    quick, slow = 2 / 3, 1 / 12
    jobs = int(PER_SECOND / 2 * (seconds + 3000 * swing))
    failed = int(jobs / 14 + 20 * math.sin(seconds / 9000))
    return {
        "at": at,
        "waiting": 4,
        "waited": int(1000 * (12 * seconds + 90_000 * swing)),
        "used": int(1000 * (2.2 * seconds + 9000 * swing)),
        "idle": int(1000 * 0.15 * seconds),
        "counts": {
            "accepted": jobs + failed,
            "finished.SUCCEEDED": jobs,
            "finished.FAILED": failed,
            "failed.FILTER_BLOCKED": failed * 2 // 3,
            "failed.LOST": failed - failed * 2 // 3,
        },
        "turnaround": {"12000": int(jobs * quick), "20000": int(jobs * (1 - quick - slow)), "60000": int(jobs * slow)},
    }
