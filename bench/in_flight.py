"""Thousands of jobs in flight: how late looks are sent, what each job weighs, and how two workers share them.

    make bench-in-flight ARGS="--slots 5000 --median 60 --seconds 120"

The slots are filled from a long line of jobs whose pictures are given by URL, results are small. Every second the
entries that will be due within the next one are read from the ledger; the stand-in vendor remembers when it was asked
about each job; the lag of a look is the difference.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import psutil
import requests

from compare import vendor
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.ledger import Ledger, connect
from swapline_workers.local.valkey import EmbeddedValkey

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SMALL = 20_000
"""Bytes of a result."""
SAMPLE = 100
"""Looks that are followed each second."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=5000)
    parser.add_argument("--median", type=float, default=60, help="seconds that the vendor takes")
    parser.add_argument("--seconds", type=float, default=120, help="how long to measure once the slots are full")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def wishes(number: int) -> Iterator[SwapRequest]:
    """Requests by URL: nothing is uploaded."""
    for n in range(number):
        yield SwapRequest(image=f"https://pictures.example.com/{n}.jpg", gender=0, filter_id=12)


def resident(children: list[subprocess.Popen[bytes]], valkey: psutil.Process) -> int:
    """Bytes of memory of all processes."""
    everything = [valkey, *(psutil.Process(child.pid) for child in children)]
    return sum(process.memory_info().rss for process in everything)


def soon_due(ledger: Ledger) -> dict[str, float]:
    """When some of the jobs that are running are due within the next second: vendor's id -> seconds since the epoch."""
    now = ledger.now()
    found: list[tuple[str, float]] = ledger.client.zrange(
        f"{ledger.prefix}:due", now + 50, now + 1000, byscore=True, withscores=True
    )
    chosen = random.sample(found, min(SAMPLE, len(found)))
    jobs = ledger.get_many([job_id for job_id, _ in chosen])
    due = dict(chosen)
    return {job.vendor_job_id: due[job.job_id] / 1000 for job in jobs if job.vendor_job_id and job.state == "RUNNING"}


def lags(expected: list[tuple[str, float]], looks: dict[str, list[float]]) -> list[float]:
    """Seconds from the moment each look was due to the moment it came."""
    found = []
    for name, due in expected:
        after = [at for at in looks.get(name, []) if at >= due - 0.01]
        found += [max(0.0, min(after) - due)] if after else []
    return found


def main() -> None:
    """Fill, measure, print."""
    chosen = arguments()
    sys.path.insert(0, str(Path(__file__).parent / "contenders"))
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        os.environ["BENCH_FOLDER"] = str(folder)
        url = opened.enter_context(vendor(SMALL, 1, f"{chosen.median},0.4"))
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.environ |= {"BENCH_VENDOR": url, "BENCH_AT_ONCE": str(chosen.slots)}
        import swapline_shipped  # noqa: PLC0415 -- it reads its surroundings
        from turns import running  # noqa: PLC0415 -- the same

        (folder / "store").mkdir()
        server = opened.enter_context(EmbeddedValkey(folder / "valkey"))
        settings = swapline_shipped.settings(server.url, folder / "store")
        client = connect(server.url)
        ledger = Ledger(client)
        valkey = psutil.Process(client.info("server")["process_id"])
        producer = Producer.connect(
            ProducerSettings(redis_url=server.url, storage_url=settings["SWAPLINE_STORAGE_URL"])
        )
        children = [
            opened.enter_context(running("swapline", "worker", "--name", f"w{n}@%h", **settings))
            for n in range(chosen.workers)
        ]
        for _ in range(100):
            if ledger.slots().limit == chosen.slots:
                break
            time.sleep(0.2)
        time.sleep(3)  # everything is loaded: what grows from here on is jobs
        before = resident(children, valkey)
        number = round(chosen.slots * (2 + chosen.seconds / chosen.median))
        began = time.monotonic()
        failed = [result.error for result in producer.enqueue_many(wishes(number)) if result.error]
        waiting = resident(children, valkey) - before
        while len(ledger.slots().in_flight) < chosen.slots:
            time.sleep(0.5)
        filled = time.monotonic() - began
        weight = (resident(children, valkey) - before) / chosen.slots
        expected: list[tuple[str, float]] = []
        psutil.cpu_percent()  # from here on
        used: list[list[float]] = [[sum(psutil.Process(child.pid).cpu_times()[:2]) for child in children]]
        counted: list[dict[str, Any]] = [requests.get(f"{url}/looks", timeout=60).json()]
        began = time.monotonic()
        while time.monotonic() - began < chosen.seconds:
            expected += soon_due(ledger).items()
            time.sleep(1)
        busy = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
        weight = max(weight, (resident(children, valkey) - before) / chosen.slots)
        used.append([sum(psutil.Process(child.pid).cpu_times()[:2]) for child in children])
        time.sleep(5)
        looks = requests.get(f"{url}/looks", timeout=60).json()
        late = lags(expected, looks)
        found = quantiles(late, n=100)
        shares = [after - earlier for earlier, after in zip(*used, strict=True)]
        print(
            json.dumps(
                {
                    **vars(chosen),
                    "not_enqueued": len(failed),
                    "filled_in_s": round(filled, 1),
                    "looks_a_second": round(
                        (sum(map(len, looks.values())) - sum(map(len, counted[0].values()))) / (chosen.seconds + 5), 1
                    ),
                    "followed": len(late),
                    "lag_p50_s": round(found[49], 3),
                    "lag_p99_s": round(found[98], 3),
                    "lag_most_s": round(max(late), 3),
                    "kb_a_job_in_flight": round(weight / 1000, 1),
                    "of_it_the_waiting_line_mb": round(waiting / 1e6, 1),
                    "busy_cores_of_the_machine": round(busy, 2),
                    "cpu_cores_of_workers": [round(share / chosen.seconds, 2) for share in shares],
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
