"""Measure thousands of jobs in flight: the lag of polls, memory a job, the workers' shares.

    make bench-in-flight ARGS="--slots 5000 --median 60 --seconds 120"

The slots are filled from a long line of jobs whose pictures are given by URL, results are small. Every second the
entries that will be due within the next one are read from the ledger; the fake vendor records the polls of
each job; the lag of a poll is the difference.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import psutil

from environment import Environment, fake_vendor, links, recorded_by, running_environment
from report import percentile
from watching import MB

if TYPE_CHECKING:
    from swapline_producer.ledger import Ledger

SMALL = 20_000
"""Bytes of a result."""
SAMPLE = 100
"""Polls that are followed each second."""
LATE = 5.0
"""Seconds after the last one for those that are late."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=5000)
    parser.add_argument("--median", type=float, default=60, help="seconds that the vendor takes")
    parser.add_argument("--seconds", type=float, default=120, help="how long to measure once the slots are full")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def resident(here: Environment) -> int:
    """Bytes of memory of all processes."""
    return sum(one.memory_info().rss for one in here.ours.values())


def soon_due(ledger: Ledger) -> dict[str, float]:
    """When some of the jobs that are running are due within the next second: vendor's id -> seconds since the epoch."""
    now = ledger.now()
    found: list[tuple[str, float]] = ledger.client.zrange(
        f"{ledger.prefix}:due", now + 50, now + 1000, byscore=True, withscores=True
    )
    chosen = random.sample(found, min(SAMPLE, len(found)))
    jobs = ledger.jobs.get_many([job_id for job_id, _ in chosen])
    due = dict(chosen)
    return {job.vendor_job_id: due[job.job_id] / 1000 for job in jobs if job.vendor_job_id and job.state == "RUNNING"}


def lags(expected: list[tuple[str, float]], polls: dict[str, list[float]]) -> list[float]:
    """Seconds from the time each poll was due to its arrival."""
    found = []
    for name, due in expected:
        after = [at for at in polls.get(name, []) if at >= due - 0.01]
        found += [max(0.0, min(after) - due)] if after else []
    return found


class Measured(NamedTuple):
    """What was seen while the slots were full."""

    expected: list[tuple[str, float]]
    """Polls that were due: vendor's id, seconds since the epoch."""
    polls: dict[str, list[float]]
    polls_a_second: float
    busy: float
    """Cores of the machine."""
    shares: list[float]
    """Cores of each worker."""


def fill(here: Environment, chosen: argparse.Namespace) -> dict[str, float]:
    """Return enough jobs, wait until the slots are full; tells how long it took and what it weighs."""
    before, began = resident(here), time.monotonic()
    number = round(chosen.slots * (2 + chosen.seconds / chosen.median))
    failed = [result.error for result in here.producer.enqueue_many(links(number)) if result.error]
    waiting = resident(here) - before
    while here.in_flight() < chosen.slots:
        here.still_there()
        time.sleep(0.5)
    return {
        "not_enqueued": len(failed),
        "filled_in_s": round(time.monotonic() - began, 1),
        "kb_a_job_in_flight": round((resident(here) - before) / chosen.slots / 1000, 1),
        "of_it_the_waiting_line_mb": round(waiting / MB, 1),
    }


def measure(here: Environment, vendor: str, seconds: float) -> Measured:
    """Follow polls for `seconds`."""
    expected: list[tuple[str, float]] = []
    psutil.cpu_percent()  # from here on
    cpu, had = here.cpu(), sum(map(len, recorded_by(vendor, "polls").values()))
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        expected += soon_due(here.ledger).items()
        time.sleep(1)
    busy = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
    shares = [spent - cpu[name] for name, spent in here.cpu().items() if name.startswith("worker")]
    time.sleep(LATE)
    polls = recorded_by(vendor, "polls")
    return Measured(
        expected,
        polls,
        polls_a_second=(sum(map(len, polls.values())) - had) / (seconds + LATE),
        busy=busy,
        shares=[share / seconds for share in shares],
    )


def main() -> None:
    """Fill, measure, print."""
    chosen = arguments()
    with ExitStack() as opened:
        vendor = opened.enter_context(fake_vendor(SMALL, seconds=f"{chosen.median},0.4"))
        here = opened.enter_context(running_environment(vendor, slots=chosen.slots, workers=chosen.workers))
        time.sleep(3)  # everything is loaded: what grows from here on is jobs
        filled = fill(here, chosen)
        seen = measure(here, vendor, chosen.seconds)
    late = lags(seen.expected, seen.polls)
    found = {
        **vars(chosen),
        **filled,
        "polls_a_second": round(seen.polls_a_second, 1),
        "followed": len(late),
        "lag_p50_s": round(percentile(late, 50), 3),
        "lag_p99_s": round(percentile(late, 99), 3),
        "lag_most_s": round(max(late), 3),
        "busy_cores_of_the_machine": round(seen.busy, 2),
        "cpu_cores_of_workers": [round(share, 2) for share in seen.shares],
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
