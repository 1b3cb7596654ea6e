"""Whether anything grows: tens of thousands of small jobs under constant load, and what our processes are by then.

    make bench-soak                    JOBS=20000 by default: some ten minutes; plots docs/soak.png

Records and results live only for a short while (`--keep` seconds), so that as many go as come once the first have
gone: what still grows then is a leak. The slope is that of a line laid through the second half. A second, shorter run
keeps every record, as is usual, and tells what a finished job leaves in the server.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING, Any

from environment import DOCS, Environment, fake_vendor, photograph, running_environment
from report import machine, table, warn_if_busy, write_json
from swapline_producer import SwapRequest
from watching import MB, Sample, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 2.0
"""Seconds between two checks."""
SMALL = 20_000
"""Bytes of a photograph and of a result: the jobs are many, not large."""
LINE = 100
"""Jobs that wait or are under way beside the slots, at least: the workers are never without work."""
KEPT_SHARE = 10
"""The run that keeps every record has this many times fewer jobs."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=float, default=60, help="seconds that records and results are kept")
    parser.add_argument("--seconds", default="0.5,0.3", help="median,sigma of the time that the vendor takes")
    parser.add_argument("--json", type=Path, default=DOCS / "soak.json")
    parser.add_argument("--plot", type=Path, default=DOCS / "soak.png")
    return parser.parse_args()


def run(chosen: argparse.Namespace, jobs: int, **settings: str) -> list[Sample]:
    """Take `number` jobs through, under constant load; return what was measured."""
    with ExitStack() as opened:
        vendor = opened.enter_context(fake_vendor(SMALL, seconds=chosen.seconds))
        hook = opened.enter_context(fake_vendor(0)) + "/hook"
        here = opened.enter_context(running_environment(vendor, slots=chosen.slots, workers=chosen.workers, **settings))
        given = 0

        def ended() -> int:
            return given - here.unfinished()

        with Watch(here.ours, here.client, every=EVERY, count=ended) as watch:
            while ended() < jobs:
                here.still_there()
                wanted = min(jobs - given, chosen.slots + 2 * LINE - here.unfinished())
                if wanted >= min(LINE, jobs - given) > 0:
                    given += enqueue(here, wanted, hook)
                else:
                    time.sleep(0.1)
        return watch.samples


def enqueue(here: Environment, number: int, hook: str) -> int:
    """Enqueue `number` small jobs; return their number."""
    requests = (SwapRequest(image=photograph(SMALL), gender=1, filter_id=12, webhook_url=hook) for _ in range(number))
    failed = [result.error for result in here.producer.enqueue_many(requests) if result.error]
    if failed:
        raise SystemExit(f"{len(failed)} were not enqueued: {failed[0]}")
    return number


def growth(samples: list[Sample], value: Callable[[Sample], float]) -> float:
    """Return how much a value grows with a thousand jobs, by a line through the second half of the jobs."""
    half = [one for one in samples if one.jobs >= samples[-1].jobs / 2]
    return linear_regression([one.jobs / 1000 for one in half], [value(one) for one in half]).slope


def rates(samples: list[Sample], window: int = 5) -> list[tuple[float, float]]:
    """Return (seconds, jobs a second) of each stretch of samples."""
    found = []
    for earlier, later in zip(samples[::window], samples[window::window], strict=False):
        found.append((later.at, (later.jobs - earlier.jobs) / (later.at - earlier.at)))
    return found


def kilobytes(name: str) -> Callable[[Sample], float]:
    """Give what finds one process' memory in a sample."""
    return lambda one: one.processes[name].rss / 1000


def rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """Return the table: each process, at the half of the jobs, at the end, and its slope."""
    half, last = next(one for one in samples if one.jobs >= samples[-1].jobs / 2), samples[-1]
    found: list[dict[str, Any]] = [
        {
            "": name,
            "MB at half": round(half.processes[name].rss / MB, 1),
            "at the end": round(last.processes[name].rss / MB, 1),
            "KB per 1,000 jobs": round(growth(samples, kilobytes(name)), 1),
            "files": f"{half.processes[name].files} → {last.processes[name].files}",
            "threads": f"{half.processes[name].threads} → {last.processes[name].threads}",
        }
        for name in last.processes
    ]
    slope = round(growth(samples, lambda one: one.redis / 1000), 1)
    nothing = {"files": "", "threads": ""}
    stored = {"MB at half": round(half.redis / MB, 1), "at the end": round(last.redis / MB, 1)}
    return [*found, {"": "the server's data", **stored, "KB per 1,000 jobs": slope, **nothing}]


def draw(samples: list[Sample], kept: list[Sample], to: Path) -> None:
    """Plot everything over time."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- slow to load, and only who plots needs it

    figure, ((memory, stored), (speed, counts)) = plt.subplots(2, 2, figsize=(9, 5.5))
    minutes = [one.at / 60 for one in samples]
    for name in samples[-1].processes:
        memory.plot(minutes, [one.processes[name].rss / MB for one in samples], label=name)
        counts.plot(minutes, [one.processes[name].files for one in samples], label=f"{name}: open files")
        counts.plot(minutes, [one.processes[name].threads for one in samples], ":", label=f"{name}: threads")
    memory.set_title("resident set, MB")
    stored.plot([one.jobs / 1000 for one in samples], [one.redis / MB for one in samples], label="records expire")
    stored.plot([one.jobs / 1000 for one in kept], [one.redis / MB for one in kept], label="records are kept")
    stored.set_title("the server's data, MB, by jobs done")
    found = rates(samples)
    speed.plot([at / 60 for at, _ in found], [rate for _, rate in found], color="C2")
    speed.set_title("jobs a second")
    counts.set_title("open files and threads")
    for axes in (memory, stored, speed, counts):
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.set_xlabel("thousand jobs" if axes is stored else "minutes")
    for axes in (memory, stored, counts):
        axes.legend(fontsize="small", loc="center right")
    figure.tight_layout()
    figure.savefig(to, dpi=90)


def main() -> None:
    """Run both, print the table, plot."""
    chosen, here = arguments(), machine()
    kept_for = {"SWAPLINE_JOB_TTL": str(chosen.keep), "SWAPLINE_RESULT_TTL": str(chosen.keep)}
    samples = run(chosen, chosen.jobs, **kept_for)
    kept = run(chosen, chosen.jobs // KEPT_SHARE)
    leaves = growth(kept, lambda one: one.redis / 1000)  # KB of a thousand jobs are bytes of one
    found = rows(samples)
    speed = samples[-1].jobs / samples[-1].at
    print(table(found))
    print(f"{samples[-1].jobs:,} jobs, {speed:.1f} a second. A finished job whose record is kept: {leaves:,.0f} bytes.")
    warn_if_busy(here)
    if chosen.plot:
        draw(samples, kept, chosen.plot)
    over_time = [one._asdict() | {"processes": {n: p._asdict() for n, p in one.processes.items()}} for one in samples]
    write_json(
        chosen.json,
        {
            "machine": here,
            "jobs_per_second": round(speed, 1),
            "kept_bytes": round(leaves),
            "rows": found,
            "over_time": over_time,
        },
    )


if __name__ == "__main__":
    main()
