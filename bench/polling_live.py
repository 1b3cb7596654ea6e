"""How well the learned schedule uses the slots end to end: a real Valkey, real workers, the simulated vendor.

The jobs that it learns from run with many slots, which is quicker and teaches the same; those that are measured run
with few. All numbers are the vendor's own: when each job was submitted, began, was done, and was first seen to be done.

    python bench/polling_live.py --service-time lognormal:8,0.4 --jobs 200
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.ledger import Ledger, connect
from swapline_simulator import Simulator, SimulatorConfig, sample_photographs
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_simulator.account.report import JobLine

SWAPLINE = Path(sys.executable).with_name("swapline")
CHECKED_EVERY = 0.2
"""Seconds between two checks at the census: far from the ledger's own load."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service-time", default="lognormal:8,0.4")
    parser.add_argument("--jobs", type=int, default=200, help="jobs that are measured")
    parser.add_argument("--learn", type=int, default=200, help="jobs before them")
    parser.add_argument("--learn-slots", type=int, default=30)
    parser.add_argument("--slots", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--budget", type=float, default=7)
    parser.add_argument("--shortest", type=float, default=0.25)
    parser.add_argument("--longest", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full-results", action="store_true", help="results of 4 MB, as the vendor sends them")
    return parser.parse_args()


def main() -> None:
    """Learn, measure, print."""
    chosen = arguments()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="swapline-bench-")))
        valkey = opened.enter_context(EmbeddedValkey(folder / "valkey"))
        results = "full" if chosen.full_results else "small"
        config = SimulatorConfig(
            seed=chosen.seed, cap=chosen.learn_slots, service_time=chosen.service_time, results=results
        )
        vendor = opened.enter_context(Simulator(config))
        (folder / "store").mkdir()
        settings = environment(chosen, valkey.url, vendor, folder)
        for _ in range(chosen.workers):
            opened.enter_context(worker(settings, folder))
        client = connect(valkey.url)
        opened.callback(client.close)
        ledger = Ledger(client, "bench")
        producer = Producer.connect(
            ProducerSettings(redis_url=valkey.url, key_prefix="bench", storage_url=(folder / "store").as_uri()),
        )
        work_off(producer, ledger, chosen.learn)
        ledger.limits.set_slots(chosen.slots)
        vendor.control.change(cap=chosen.slots)
        work_off(producer, ledger, chosen.jobs)
        report = vendor.control.report()
        handed_over = hand_overs(report.jobs[chosen.learn :], chosen.slots)
        print(json.dumps(vars(chosen)))
        print(json.dumps(measured(report.jobs[chosen.learn :], chosen.slots, handed_over), indent=1))
        print(json.dumps({"max_in_flight": report.max_in_flight, "over_cap": report.over_cap, "polls": report.polls}))


def environment(chosen: argparse.Namespace, redis_url: str, vendor: Simulator, folder: Path) -> dict[str, str]:
    """All settings of a worker."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("SWAPLINE_")}
    return base | {
        "SWAPLINE_REDIS_URL": redis_url,
        "SWAPLINE_KEY_PREFIX": "bench",
        "SWAPLINE_STORAGE_URL": (folder / "store").as_uri(),
        "SWAPLINE_API_BASE_URL": vendor.url,
        "SWAPLINE_API_KEY": vendor.config.key,
        "SWAPLINE_API_KEY_HEADER": vendor.config.key_header,
        "SWAPLINE_MAX_IN_FLIGHT": str(chosen.learn_slots),
        "SWAPLINE_POLL_MIN_INTERVAL": str(chosen.shortest),
        "SWAPLINE_POLL_MAX_INTERVAL": str(chosen.longest),
        "SWAPLINE_POLL_BUDGET": str(chosen.budget),
    }


@contextmanager
def worker(settings: dict[str, str], folder: Path) -> Generator[None]:
    """Run one worker process, its log in the folder."""
    with (folder / "worker.log").open("a") as log:
        child = subprocess.Popen(
            [SWAPLINE, "worker", "-c", "8"], env=settings, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            child.terminate()
            child.wait(60)


def work_off(producer: Producer, ledger: Ledger, jobs: int) -> None:
    """Enqueue `number` jobs and wait until the last one has ended."""
    photographs = sample_photographs()
    for number in range(jobs):
        producer.enqueue(SwapRequest(image=photographs[number % len(photographs)], gender=1, filter_id=12))
    while any(number for state, number in ledger.stats.census().items() if not state.finished):
        time.sleep(CHECKED_EVERY)


def measured(jobs: list[JobLine], slots: int, handed_over: list[float]) -> dict[str, float]:
    """Slot use while jobs waited, polls a job, and how late the end of a job was seen (seconds)."""
    began = min(job.started_at or 0 for job in jobs)
    until = max(job.started_at or 0 for job in jobs)  # later, no job waits, and empty slots do not count
    busy = sum(min(job.done_at or 0, until) - (job.started_at or 0) for job in jobs)
    counted = [job for job in jobs if (job.first_seen_done_at or 0) <= until]
    delays = [((job.first_seen_done_at or 0) - (job.done_at or 0)) / 1000 for job in counted]
    return {
        "jobs": len(counted),
        "slot_use": round(busy / (slots * (until - began)), 4),
        "polls_a_job": round(fmean(job.polls for job in counted), 2),
        "detection_delay_mean": round(fmean(delays), 3),
        "detection_delay_p99": round(quantiles(delays, n=100)[-1], 3),
        "service_mean": round(fmean(((job.done_at or 0) - (job.started_at or 0)) / 1000 for job in counted), 3),
        "hand_over_p50_ms": round(quantiles(handed_over, n=100)[49], 1),
        "hand_over_p99_ms": round(quantiles(handed_over, n=100)[-1], 1),
    }


def hand_overs(jobs: list[JobLine], slots: int) -> list[float]:
    """Milliseconds from each terminal status to the submission that it made room for, both in order."""
    seen = sorted(job.first_seen_done_at or 0 for job in jobs)
    submitted = sorted(job.submitted_at for job in jobs)[slots:]
    return [float(after - before) for before, after in zip(seen, submitted, strict=False)]


if __name__ == "__main__":
    main()
