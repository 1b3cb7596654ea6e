"""What a job that waits costs, from a thousand to a million of them: Redis' memory, its time a move, a worker's memory.

    python bench/waiting_line.py --sizes 1000,10000,100000,1000000      (make bench-line; a million takes some minutes)
    python bench/waiting_line.py --accounts 20              (the same with 20 accounts, without a worker)

The moves are timed by the server itself (INFO commandstats), so what else the machine does hardly counts. Half of the
jobs are one tenant's, the others a thousand tenants'. At each size a real worker then brings some of them to the
simulated vendor, and its resident memory is read.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import FailureCode, State, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.answers import Advanced
from swapline_producer.ledger.accounts.registry import Vendor
from swapline_producer.ledger.accounts.workers import AccountShown, WorkerRecord
from swapline_simulator import Simulator, SimulatorConfig
from swapline_workers.core.lifecycle import ROUTES
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from swapline_producer.ledger import Ledger

SWAPLINE = Path(sys.executable).with_name("swapline")
TENANTS = 1_000
MOVES = 200
"""Moves of one kind that are timed at each size; a claim takes as many."""
WORKED = 60
"""Jobs that the worker brings to the vendor before its memory is read."""


@dataclass
class Row:
    """One line of the table. Bytes, microseconds of the server, MB."""

    waiting: int
    memory: float
    accept: float
    handover: float
    claim: float
    worker: float


def requests(number: int) -> Iterator[SwapRequest]:
    """Ordinary requests: a picture by URL, a webhook, some metadata."""
    for n in range(number):
        yield SwapRequest(
            image=f"https://pictures.example.com/{n}.jpg",
            gender=n % 4,
            filter_id=12,
            tenant="crowd" if n % 2 else f"tenant-{n % TENANTS}",
            webhook_url="https://shop.example.com/hooks/faces",
            metadata={"order": str(n)},
        )


def microseconds(client: redis.Redis) -> float:
    """The server's time for one script since the last reset."""
    stats = client.info("commandstats")
    return float(stats["cmdstat_evalsha"]["usec_per_call"])


def timed_accept(producer: Producer, client: redis.Redis) -> float:
    """One job at a time."""
    client.config_resetstat()
    for request in requests(MOVES):
        producer.enqueue(request)
    return microseconds(client)


def timed_hand_over(ledger: Ledger, client: redis.Redis) -> tuple[float, float]:
    """A claim that finds slots free; and the move that ends a job at the vendor and gives its slot to the next."""
    set_slots(ledger, MOVES)
    client.config_resetstat()
    messages = list(ledger.transitions.claim(ROUTES, limit=MOVES).messages)
    claim = microseconds(client)
    while len(messages) < MOVES:
        messages += ledger.transitions.claim(ROUTES, limit=MOVES).messages
    running = []
    for message in messages:
        opened = ledger.transitions.open(message.job_id, message.version)
        if opened is None or opened.job.state is not State.SUBMITTING:
            continue
        change = transitions.submitted(opened.job, opened.job.job_id, "IN_QUEUE", poll_in=900)
        advanced = ledger.transitions.advance(opened.job, change)
        if isinstance(advanced, Advanced):
            running.append(advanced.job)
    client.config_resetstat()
    handed = 0
    for job in running:
        change = transitions.failed(job, FailureCode.VENDOR_FAILED, "bench", rescue_after=0)
        done = ledger.transitions.advance(job, change)
        handed += len(done.granted) if isinstance(done, Advanced) else 0
    if handed != len(running):
        raise SystemExit(f"{handed} slots were passed on instead of {len(running)}")
    set_slots(ledger, 3)
    return microseconds(client), claim


def worker_memory(url: str, vendor: Simulator, ledger: Ledger, folder: Path) -> float:
    """Resident memory of a worker process that has worked in front of this line, in MB."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("SWAPLINE_")}
    settings = base | {
        "SWAPLINE_REDIS_URL": url,
        "SWAPLINE_KEY_PREFIX": "line",
        "SWAPLINE_STORAGE_URL": (folder / "store").as_uri(),
        "SWAPLINE_API_BASE_URL": vendor.url,
        "SWAPLINE_API_KEY": vendor.config.key,
        "SWAPLINE_API_KEY_HEADER": vendor.config.key_header,
        "SWAPLINE_WEBHOOK_ALLOW_PRIVATE": "true",
    }
    before = vendor.control.report(jobs=False).submissions
    with (folder / "worker.log").open("a") as log:
        child = subprocess.Popen([SWAPLINE, "worker"], env=settings, cwd=folder, stdout=log, stderr=log)
        try:
            while vendor.control.report(jobs=False).submissions < before + WORKED:
                time.sleep(0.2)
            return sum(one.memory_info().rss for one in _tree(child.pid)) / 1e6
        finally:
            child.terminate()
            child.wait(60)
            ledger.limits.set_slots(3)


def name_accounts(ledger: Ledger, number: int) -> None:
    """Register a worker that names `number` accounts of three slots."""
    if not number:
        return
    names = [f"account-{n}" for n in range(number)]
    named = {name: AccountShown(limits=Limits(max_in_flight=3), labels=(f"label-{name}",)) for name in names}
    record = WorkerRecord(worker_id="bench", host="bench", pid=1, started_at=0, accounts=named)
    vendors = {name: Vendor(f"https://{name}.example", simulated=False) for name in names}
    ledger.workers.join_accounts(vendors, record)


def set_slots(ledger: Ledger, number: int) -> None:
    """Use `number` slots of all accounts together."""
    names = list(ledger.pool.known())
    for name in names:
        ledger.limits.set_slots(-(-number // len(names)), account=name)


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def main() -> None:
    """Fill the line to each size and measure there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--accounts", type=int, default=0, help="0: the one account without a name")
    chosen = parser.parse_args()
    sizes = [int(size) for size in chosen.sizes.split(",")]
    rows: list[Row] = []
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="swapline-line-")))
        (folder / "store").mkdir()
        server = opened.enter_context(EmbeddedValkey(folder / "valkey"))
        vendor = opened.enter_context(Simulator(SimulatorConfig(service_time="fixed:0.2", results="small")))
        producer = Producer.connect(ProducerSettings(redis_url=server.url, key_prefix="line"))
        ledger, client = producer.ledger, producer.ledger.client
        name_accounts(ledger, chosen.accounts)
        empty = client.info("memory")["used_memory"]
        print("   waiting   bytes a job   accept us   hand-over us   claim us   worker MB   enqueued/s")
        for size in sizes:
            here = client.zcard("line:state:QUEUED")
            began = time.perf_counter()
            for result in producer.enqueue_many(requests(size - here)):
                if result.error:
                    raise SystemExit(str(result.error))
            rate = (size - here) / (time.perf_counter() - began)
            memory = (client.info("memory")["used_memory"] - empty) / client.zcard("line:state:QUEUED")
            accept = timed_accept(producer, client)
            handover, claim = timed_hand_over(ledger, client)
            worker = 0.0 if chosen.accounts else worker_memory(server.url, vendor, ledger, folder)
            row = Row(size, memory, accept, handover, claim, worker)
            rows.append(row)
            print(
                f"{row.waiting:10,}   {row.memory:11,.0f}   {row.accept:9.1f}   {row.handover:12.1f}"
                f"   {row.claim:8.1f}   {row.worker:9.1f}   {rate:10,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
