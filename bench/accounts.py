"""Several accounts as one pool: how well their slots are used, also while some of them refuse.

    python bench/accounts.py --jobs 200                     (two minutes)
    python bench/accounts.py --jobs 200 --failing           (a is revoked and b is out of credits: c stays in use)

Accounts of 3, 4 and 8 slots of one simulated vendor, one real worker. Slot use is the vendor's: the time of jobs in its
slots, from the first submission until the last job has a slot. A hand-over is from the slot's grant to the vendor's id.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_simulator import Simulator, SimulatorConfig
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from swapline_simulator.account.report import JobLine

SWAPLINE = Path(sys.executable).with_name("swapline")
SLOTS = {"a": 3, "b": 4, "c": 8}
WARM_UP = 60
"""Jobs before the measurement: the schedule of polls is learned from them."""


def settings(server: str, vendor: Simulator, folder: Path) -> dict[str, str]:
    """Return the environment of the worker."""
    accounts = [
        {"name": name, "base_url": vendor.url, "key": f"{name}-key", "max_in_flight": slots}
        for name, slots in SLOTS.items()
    ]
    base = {name: value for name, value in os.environ.items() if not name.startswith("SWAPLINE_")}
    return base | {
        "SWAPLINE_REDIS_URL": server,
        "SWAPLINE_KEY_PREFIX": "pool",
        "SWAPLINE_STORAGE_URL": (folder / "store").as_uri(),
        "SWAPLINE_API_KEY_HEADER": vendor.config.key_header,
        "SWAPLINE_ACCOUNTS": json.dumps(accounts),
    }


def run(producer: Producer, number: int) -> list[str]:
    """Enqueue jobs and wait until all have ended; return their ids."""
    requests = (SwapRequest(image="https://pictures.example.com/me.jpg", gender=0, filter_id=12) for _ in range(number))
    ids = [result.job_id for result in producer.enqueue_many(requests) if result.job_id]
    while not all(job.state.finished for job in producer.ledger.jobs.get_many(ids)):
        time.sleep(0.5)
    return ids


def use_of(jobs: list[JobLine], slots: int, began: int, ended: int) -> float:
    """Return the share of these slots that was in use between two moments."""
    busy = sum(max(0, min(job.done_at or 0, ended) - max(job.started_at or 0, began)) for job in jobs if job.started_at)
    return busy / (slots * (ended - began))


def report(producer: Producer, vendor: Simulator, ids: list[str], names: list[str]) -> dict[str, Any]:
    """Return what a run came to."""
    known = {job.vendor_job_id for job in producer.ledger.jobs.get_many(ids)}
    reports = {name: vendor.control.of(name).report() for name in SLOTS}
    mine = {name: [job for job in one.jobs if job.id in known] for name, one in reports.items()}
    starts = [job.started_at for name in names for job in mine[name] if job.started_at]
    began, ended = min(starts), max(starts)
    handovers = []
    for job_id in ids:
        at = {event.name: event.at for event in producer.ledger.jobs.events(job_id)}
        if "slot" in at and "submitted" in at:
            handovers.append(at["submitted"] - at["slot"])
    states = [job.state for job in producer.ledger.jobs.get_many(ids)]
    return {
        "slot use": round(
            use_of([job for name in names for job in mine[name]], sum(SLOTS[n] for n in names), began, ended), 3
        ),
        "by account": {name: round(use_of(mine[name], SLOTS[name], began, ended), 3) for name in SLOTS},
        "most in flight": {name: one.max_in_flight for name, one in reports.items()},
        "over the cap": {name: one.over_cap for name, one in reports.items()},
        "hand-over p50 ms": statistics.median(handovers),
        "not succeeded": sum(state is not State.SUCCEEDED for state in states),
        "credits": {name: one.credits_spent for name, one in reports.items()},
        "credits in the ledger": {
            name: sum(tenants.values()) for name, tenants in producer.ledger.limits.credits().by_account.items()
        },
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--service-time", default="lognormal:8,0.4")
    parser.add_argument("--failing", action="store_true", help="revoke the key of a; let b run out of credits")
    chosen = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="swapline-accounts-")))
        (folder / "store").mkdir()
        server = opened.enter_context(EmbeddedValkey(folder / "valkey"))
        accounts = {name: {"key": f"{name}-key", "cap": slots} for name, slots in SLOTS.items()}
        config = SimulatorConfig.model_validate(
            {"service_time": chosen.service_time, "results": "small", "accounts": accounts}
        )
        vendor = opened.enter_context(Simulator(config))
        producer = Producer.connect(
            ProducerSettings(redis_url=server.url, key_prefix="pool", storage_url=(folder / "store").as_uri())
        )
        log = opened.enter_context((folder / "worker.log").open("w"))
        child = subprocess.Popen(
            [SWAPLINE, "worker", "-c", "32"],
            env=settings(server.url, vendor, folder),
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            run(producer, WARM_UP)
            if chosen.failing:
                vendor.control.of("a").set_mode("submit_401")
                vendor.control.of("b").change(credits=0)
            ids = run(producer, chosen.jobs)
            print(json.dumps(report(producer, vendor, ids, ["c"] if chosen.failing else list(SLOTS)), indent=2))
        finally:
            child.terminate()
            child.wait(60)


if __name__ == "__main__":
    main()
