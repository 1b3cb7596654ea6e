"""How much memory everything of ours takes with hundreds of jobs in flight and large results coming in.

    make bench-memory                  500 in flight, results of 4.1 MB, one worker and two; some four minutes

No job is done at the vendor before all slots are full. From then on as many end as the machine can read, and others
take their slots: the slots stay full while results are read, checked and stored.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from environment import DOCS, PHOTO_SIZE, Environment, fake_vendor, links, photograph, running_environment
from report import machine, table, warn_if_busy, write_json
from swapline_producer import SwapRequest
from watching import MB, Watch, kernels_peak, read

EVERY = 0.2
"""Seconds between two checks: the page tables of a worker are walked at each, a millisecond's work."""
WAITING = 5_000
"""Jobs that only wait: enough for what the server itself needs to drown in them."""
REQUEST: dict[str, Any] = {"gender": 1, "filter_id": 12, "tenant": "shop"}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1500)
    parser.add_argument("--size", type=int, default=4_100_000, help="bytes of a result")
    parser.add_argument("--seconds", default="30,0.25", help="median,sigma of the time that the vendor takes")
    parser.add_argument("--workers", default="1,2", help="numbers of worker processes, one run each")
    parser.add_argument("--in-hand", type=int, default=8, help="jobs whose pictures a worker has in memory at a time")
    parser.add_argument("--json", type=Path, default=DOCS / "memory.json")
    return parser.parse_args()


def enqueue(here: Environment, number: int, webhook: str) -> None:
    """Give `number` jobs, each with a photograph of its own, a webhook and a little metadata."""
    for n in range(number):
        here.producer.enqueue(
            SwapRequest(image=photograph(PHOTO_SIZE), webhook_url=webhook, metadata={"order": str(n)}, **REQUEST)
        )


def waiting(vendor: str) -> float:
    """Bytes of the server for one job that waits, and that no worker has seen."""
    with running_environment(vendor, slots=1, workers=0) as here:
        list(here.producer.enqueue_many(links(100, f"{vendor}/hook")))  # scripts and buffers that only the first cost
        before = here.redis_memory()
        list(here.producer.enqueue_many(links(WAITING, f"{vendor}/hook")))
        return (here.redis_memory() - before) / WAITING


def run(chosen: argparse.Namespace, workers: int) -> dict[str, Any]:
    """Fill the slots, let all jobs end; gives one line of the table and what it is made of."""
    with ExitStack() as opened:
        vendor = opened.enter_context(
            fake_vendor(chosen.size, seconds=chosen.seconds, start_after=min(chosen.slots, chosen.jobs))
        )
        receiver = opened.enter_context(fake_vendor(0))
        setting = {"SWAPLINE_PICTURES_IN_HAND": str(chosen.in_hand)}
        here = opened.enter_context(running_environment(vendor, slots=chosen.slots, workers=workers, **setting))
        time.sleep(2)  # what is loaded late is loaded: from here on it is jobs
        rest = {name: read(process) for name, process in here.ours.items()}
        empty = here.redis_memory()
        with Watch(here.ours, here.client, every=EVERY, count=here.in_flight) as watch:
            began = time.monotonic()
            enqueue(here, chosen.jobs, f"{receiver}/hook")
            here.wait_for(chosen.jobs)
            took = time.monotonic() - began
        finished = (here.redis_memory() - empty) / chosen.jobs
        most = watch.most()
        return {
            "workers": workers,
            "most in flight": max(one.jobs for one in watch.samples),
            "jobs/s": round(chosen.jobs / took, 1),
            "RSS MB": round(most.rss / MB),
            "PSS MB": round(most.pss / MB),
            "at rest MB": round(sum(one.rss for one in rest.values()) / MB),
            "by process, most MB": {name: round(kernels_peak(one) / MB) for name, one in here.ours.items()},
            "producer MB": round(psutil.Process().memory_info().rss / MB),
            "Redis bytes a job, most": round((max(one.redis for one in watch.samples) - empty) / chosen.jobs),
            "Redis bytes a job, finished": round(finished),
            "over_time": [(round(one.at, 1), round(one.rss / MB), round(one.redis / MB, 1)) for one in watch.samples],
        }


def main() -> None:
    """Run each number of workers, print the table."""
    chosen, here = arguments(), machine()
    with fake_vendor(0) as vendor:
        wait = waiting(vendor)
    print(f"A job that only waits takes {wait:,.0f} bytes of the server.", flush=True)
    found = [run(chosen, int(number)) for number in chosen.workers.split(",")]
    print(table([{name: value for name, value in one.items() if name != "over_time"} for one in found]))
    warn_if_busy(here)
    write_json(chosen.json, {"machine": here, "waiting_bytes": round(wait), "runs": found})


if __name__ == "__main__":
    main()
