"""What a step costs more where a program observes Celery's tasks, here and where Celery runs the same step.

    make bench-observers               (five minutes)

One worker, results of 20 kB, two polls a job. Within that one worker the receivers of Celery's signals are taken off
and put on again five times a second (`contenders/observed.py`), and the CPU time of every step's thread is taken in
either state: load of the machine falls on both alike. What an observer costs by itself is what it costs in Celery's own
way (`SWAPLINE_DISPATCH=celery`). Sentry replaces Celery's tracer for the life of a process, so it has no such states.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from environment import HERE, fake_vendor, links, running_environment
from report import machine, table, warn_if_busy

SIZE = 20_000
SLOTS = 32
STEPS = ("submit", "poll", "finalize", "notify")


def main() -> None:
    """Run one worker for each kind of observer; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2000)
    jobs = parser.parse_args().jobs
    warn_if_busy(machine())
    rows = []
    for observers in ("empty", "opentelemetry"):
        ours, theirs = (row(measured(observers, jobs, dispatch)) for dispatch in ("local", "celery"))
        rows.append(
            {
                "observers": observers,
                "steps": int(ours.steps + theirs.steps),
                "a step, µs": ours.alone,
                "more, µs": ours.growth,
                "by Celery, µs": theirs.alone,
                "more by Celery, µs": theirs.growth,
                "more than by Celery, of a step": (ours.growth - theirs.growth) / ours.alone,
            }
        )
    print(table(rows))


def measured(observers: str, jobs: int, dispatch: str) -> dict[str, list[float]]:
    """Run jobs with observers that come and go; return what `observed.py` wrote."""
    with tempfile.TemporaryDirectory(prefix="bench-") as text, fake_vendor(SIZE, polls=2) as vendor:
        written = Path(text) / "sums.json"
        more = {"BENCH_OBSERVERS": observers, "BENCH_OBSERVED": str(written), "PYTHONPATH": str(HERE / "contenders")}
        more |= {"SWAPLINE_DISPATCH": dispatch}
        celery = [str(Path(sys.executable).with_name("celery")), "-A", "observed", "worker"]
        command = [*celery, "--without-gossip", "--without-mingle"]
        with running_environment(vendor, slots=SLOTS, command=command, **more) as here:
            list(here.producer.enqueue_many(links(jobs, f"{vendor}/hook")))
            here.wait_for(jobs)
        found: dict[str, list[float]] = json.loads(written.read_text())
        return found


class Row(NamedTuple):
    """Means of a step."""

    steps: int
    alone: float
    """Microseconds without receivers."""
    growth: float
    """Microseconds more with receivers."""


def row(times: dict[str, list[float]]) -> Row:
    """Return the means of a step in both states; each kind of step has the same weight in both."""
    kinds = {name.split()[0] for name in times}
    number = {kind: len(times[f"{kind} alone"]) + len(times[f"{kind} observed"]) for kind in kinds}
    steps = sum(number[kind] for kind in kinds & set(STEPS))

    def of(state: str) -> float:
        return sum(number[kind] / steps * _trimmed(times[f"{kind} {state}"]) for kind in kinds) * 1e6

    return Row(steps, of("alone"), of("observed") - of("alone"))


def _trimmed(values: list[float]) -> float:
    """Return the mean without the slowest tenth, which other programs on the cores have made slow."""
    return mean(sorted(values)[: max(1, len(values) * 9 // 10)])


if __name__ == "__main__":
    main()
