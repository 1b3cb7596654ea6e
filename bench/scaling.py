"""How it scales: with worker processes, with jobs in flight, with the size of a result; and where it bends.

    make bench-scaling                 all three, under fifteen minutes; plots docs/scaling.png
    make bench-scaling ARGS="--only size"         or workers, or in-flight

Pictures are given by URL, so the producer does nothing meanwhile; no webhooks. The fake vendor, the server and the
workers share the machine: `busy cores` says how much of it all of them took.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from environment import DOCS, Environment, fake_vendor, links, running_environment
from report import machine, table, warn_if_busy, write_json
from watching import MB, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL = 20_000
"""Bytes of a result where its size is not the question."""
WORKERS = (1, 2, 4)
IN_FLIGHT = (10, 100, 1_000, 10_000)
SIZES = (1_000, 10_000, 100_000, 1_000_000, 4_100_000, 8_000_000)
RATE = 40.0
"""Jobs that end in a second while the slots are full, whatever their number: what two cores can do, with room left for
the polls. The vendor takes so much longer as there are more slots."""
SHORTEST = 0.25
"""Seconds that the vendor takes at least: the shortest wait between two polls."""
UNDER_WAY = 100
"""Jobs that have ended before the measuring begins."""
WARM_UP = 40
BYTES = 500_000_000
"""Of results in one run at most, so that each takes a quarter of a minute."""
TABLE = ("of", "jobs/s", "CPU ms a job", "workers ms", "server ms", "RSS MB", "polls a job", "in flight", "busy cores")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("workers", "in-flight", "size"))
    parser.add_argument("--jobs", type=int, default=800, help="of one run, fewer where results are large")
    parser.add_argument("--window", type=float, default=30, help="seconds to measure while the slots are full")
    parser.add_argument("--most", type=int, default=IN_FLIGHT[-1], help="jobs in flight at most")
    parser.add_argument("--json", type=Path, default=DOCS / "scaling.json")
    parser.add_argument("--plot", type=Path, default=DOCS / "scaling.png")
    return parser.parse_args()


def measured(here: Environment, of: int, work: Callable[[], None]) -> dict[str, Any]:
    """Do some work and tell what it took, by job that ended in it."""
    psutil.cpu_percent()  # from here on
    cpu, polls, ended = here.cpu(), total_polls(here), here.ended()
    began = time.monotonic()
    with Watch(here.ours, every=0.5) as watch:
        work()
    took, jobs = time.monotonic() - began, here.ended() - ended
    spent = {name: 1000 * (seconds - cpu[name]) / jobs for name, seconds in here.cpu().items()}
    most = watch.most()
    return {
        "of": of,
        "jobs": jobs,
        "jobs/s": round(jobs / took, 1),
        "CPU ms a job": round(sum(spent.values()), 1),
        "workers ms": round(sum(spent.values()) - spent["valkey"], 1),
        "server ms": round(spent["valkey"], 1),
        "RSS MB": round(most.rss / MB),
        "server MB": round(most.processes["valkey"].rss / MB),
        "polls a job": round((total_polls(here) - polls) / jobs, 1),
        "in flight": here.in_flight(),
        "busy cores": round(psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1), 2),
    }


def total_polls(here: Environment) -> int:
    """Return how many polls there have been."""
    return here.ledger.stats.counters().get("polls", 0)


def to_the_end(jobs: int, size: int, workers: int, of: int) -> dict[str, Any]:
    """Take jobs through, from the first one accepted to the last one stored."""
    with ExitStack() as opened:
        vendor = opened.enter_context(fake_vendor(size, seconds=f"{SHORTEST},0.2"))
        here = opened.enter_context(running_environment(vendor, slots=32, workers=workers))
        list(here.producer.enqueue_many(links(WARM_UP)))
        here.wait_for(WARM_UP)

        def work() -> None:
            list(here.producer.enqueue_many(links(jobs)))
            here.wait_for(WARM_UP + jobs)

        return measured(here, of, work)


def while_full(slots: int, window: float) -> dict[str, Any]:
    """Fill `slots` slots, and measure for a while as others take the places of those that end."""
    median = max(SHORTEST, slots / RATE)
    with ExitStack() as opened:
        vendor = opened.enter_context(fake_vendor(SMALL, seconds=f"{median},0.3", start_after=slots))
        here = opened.enter_context(running_environment(vendor, slots=slots, workers=2))
        enough = round(slots + 2 * RATE * (window + 10))  # the line does not end before the window does
        list(here.producer.enqueue_many(links(enough)))
        here.wait_for(UNDER_WAY)  # none is done before all slots are full
        return measured(here, slots, lambda: time.sleep(window))


def sweeps(chosen: argparse.Namespace) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Return each sweep that was asked for: its name, and its rows as they are measured."""
    if chosen.only in {None, "workers"}:
        yield "worker processes", (to_the_end(chosen.jobs, SMALL, workers, workers) for workers in WORKERS)
    if chosen.only in {None, "size"}:
        yield "bytes of a result", (to_the_end(min(chosen.jobs, BYTES // size), size, 1, size) for size in SIZES)
    if chosen.only in {None, "in-flight"}:
        yield "jobs in flight", (while_full(slots, chosen.window) for slots in IN_FLIGHT if slots <= chosen.most)


def draw(found: dict[str, list[dict[str, Any]]], to: Path) -> None:
    """Plot each sweep in a column: throughput, CPU by whom, memory."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- slow to load, and only who plots needs it

    figure, grid = plt.subplots(3, len(found), figsize=(3.6 * len(found) + 0.6, 7.5), squeeze=False)
    for column, (name, rows) in enumerate(found.items()):
        speed, cpu, memory = grid[0][column], grid[1][column], grid[2][column]
        at, labels = range(len(rows)), [short(row["of"]) for row in rows]
        speed.plot(at, [row["jobs/s"] for row in rows], "o-", color="C2")
        server, workers = [row["server ms"] for row in rows], [row["workers ms"] for row in rows]
        cpu.bar(at, server, color="#bab0ac", label="server")
        cpu.bar(at, workers, bottom=server, color="#4c78a8", label="workers")
        stored = [row["server MB"] for row in rows]
        memory.bar(at, stored, color="#bab0ac", label="server")
        rest = [row["RSS MB"] - row["server MB"] for row in rows]
        memory.bar(at, rest, bottom=stored, color="#4c78a8", label="workers")
        for axes, title in ((speed, "jobs a second"), (cpu, "CPU ms a job"), (memory, "resident set, MB")):
            axes.set_title(title, fontsize="medium")
            axes.set_xticks(list(at), labels)
            axes.set_ylim(bottom=0)
            axes.grid(visible=True, axis="y", alpha=0.3)
            axes.set_xlabel(name)
        cpu.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(to, dpi=90)


def short(number: int) -> str:
    """Return a number of things or bytes as an axis has it: 800, 4.1 k, 8 M."""
    for unit, letter in ((1_000_000, " M"), (1_000, " k")):
        if number >= unit:
            return f"{number / unit:g}{letter}"
    return str(number)


def main() -> None:
    """Run the sweeps, print a table each, plot."""
    chosen, here = arguments(), machine()
    found: dict[str, list[dict[str, Any]]] = {}
    for name, rows in sweeps(chosen):
        found[name] = []
        for row in rows:
            found[name].append(row)
            lines = table([{name if column == "of" else column: row[column] for column in TABLE}]).splitlines()
            print("\n".join(lines if len(found[name]) == 1 else lines[-1:]), flush=True)
        print(flush=True)
    warn_if_busy(here)
    draw(found, chosen.plot)
    write_json(chosen.json, {"machine": here, "sweeps": found})


if __name__ == "__main__":
    main()
