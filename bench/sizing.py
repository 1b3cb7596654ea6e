"""What a job costs Redis: bytes while it waits, runs and has finished; commands and server time in its life.

python bench/sizing.py [--jobs 1000] [--redis-url URL of an empty server]
Runs real jobs through a real worker against the simulator. One line of JSON for each number.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapline_producer import Producer, ProducerSettings
from swapline_simulator import Simulator, SimulatorConfig
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    import redis

SWAPLINE = Path(sys.executable).with_name("swapline")
MANY = 20_000
"""Waiting jobs: enough for what the server itself needs to drown in them."""

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def request(number: int, **more: Any) -> dict[str, Any]:
    """One ordinary request: a public URL, a webhook, a little metadata."""
    return {
        "image": f"https://pictures.example/customers/{number:08d}/portrait.jpg",
        "gender": 1,
        "filter_id": 12,
        "webhook_url": "https://shop.example/hooks/faces",
        "metadata": {"order": f"{number:08d}"},
        "tenant": "shop",
        **more,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--redis-url")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = chosen.redis_url or stack.enter_context(EmbeddedValkey(folder / "valkey", appendfsync="everysec")).url
        config = SimulatorConfig(seed=7, service_time="fixed:0.2", results="small", cap=64)
        vendor = stack.enter_context(Simulator(config))
        settings = ProducerSettings(redis_url=url, storage_url=(folder / "store").as_uri())
        producer = Producer.connect(settings)
        client = producer.ledger.client
        waiting(producer, MANY // 10, {})  # scripts, buffers and pages that only the first jobs cost
        client.execute_command("FLUSHDB", "SYNC")
        for name, more in (
            ("waiting", {}),
            ("waiting, with an idempotency key", {"idempotency_key": True}),
            ("waiting, with a traceparent", {"traceparent": TRACE}),
            ("waiting, in a batch", {"batch": "spring"}),
        ):
            print_number(f"bytes of a job {name}", waiting(producer, MANY, more))
            client.execute_command("FLUSHDB", "SYNC")
        lives(producer, chosen.jobs, vendor, url, folder)


def waiting(producer: Producer, jobs: int, more: dict[str, Any]) -> float:
    """Bytes of one of many jobs that wait."""
    before = memory(producer.ledger.client)
    keyed = more.pop("idempotency_key", False)
    requests = [request(n, **more, **({"idempotency_key": f"order-{n:08d}"} if keyed else {})) for n in range(jobs)]
    assert all(result.job_id for result in producer.enqueue_many(requests))  # noqa: S101 -- else the number is none
    return (memory(producer.ledger.client) - before) / jobs


def lives(producer: Producer, jobs: int, vendor: Simulator, url: str, folder: Path) -> None:
    """Bytes, commands and server time of jobs that live their whole lives."""
    client = producer.ledger.client
    before, cpu, sent = memory(client), seconds(client), calls(client)
    ids = [str(r.job_id) for r in producer.enqueue_many({**request(n), "webhook_url": None} for n in range(jobs))]
    worker = subprocess.Popen([SWAPLINE, "worker", "-l", "WARNING"], env=environment(url, vendor, folder), cwd=folder)
    try:
        producer.wait_many(ids, timeout=600)
    finally:
        worker.terminate()
        worker.wait(60)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # the worker, its start among it; a server of ours still runs
    print_number(
        "milliseconds of a worker's CPU for one job, small pictures", 1000 * (used.ru_utime + used.ru_stime) / jobs
    )
    print_number("bytes of a finished job, its log among them", (memory(client) - before) / jobs)
    print_number("milliseconds of the server's CPU for one job", 1000 * (seconds(client) - cpu) / jobs)
    polls = producer.ledger.stats.counters().get("polls", 0) / jobs
    print_number("polls of one job", polls)
    commands = {name: count - sent.get(name, 0) for name, count in calls(client).items()}
    print_number("moves (EVALSHA) of one job", commands.get("evalsha", 0) / jobs)
    print_number("commands of all kinds, those inside the scripts among them", sum(commands.values()) / jobs)


def environment(url: str, vendor: Simulator, folder: Path) -> dict[str, str]:
    """A worker's settings."""
    return {
        "PATH": os.environ["PATH"],
        "SWAPLINE_REDIS_URL": url,
        "SWAPLINE_STORAGE_URL": (folder / "store").as_uri(),
        "SWAPLINE_API_BASE_URL": vendor.url,
        "SWAPLINE_API_KEY": vendor.config.key,
        "SWAPLINE_API_KEY_HEADER": vendor.config.key_header,
        "SWAPLINE_MAX_IN_FLIGHT": "64",
    }


def memory(client: redis.Redis) -> int:
    """Bytes that the server has given to its data."""
    return int(client.info("memory")["used_memory"])


def seconds(client: redis.Redis) -> float:
    """CPU of the server so far."""
    used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def calls(client: redis.Redis) -> dict[str, int]:
    """Calls of each command so far."""
    return {name.removeprefix("cmdstat_"): counts["calls"] for name, counts in client.info("commandstats").items()}


def print_number(what: str, number: float) -> None:
    """Print one number."""
    print(json.dumps({"what": what, "number": round(number, 2)}), flush=True)


if __name__ == "__main__":
    main()
