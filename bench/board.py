"""How fast the board is over a large ledger: `make bench-board` (JOBS=200000).

A real Valkey, the board in a process of its own, real HTTP on one connection. Jobs are accepted by the ledger's own
moves; most are then brought to their ends by `advance`, so that every index is as it would be. The time is the
server's: from the request to the last byte, over loopback. Exits 1 where a page takes longer than it may.
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
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from swapline_producer.contract import FailureCode, Job, JobSpec, LinkedImage, NewJob, Priority, transitions
from swapline_producer.contract.accounts import Limits
from swapline_producer.contract.requests.new_jobs import fingerprint
from swapline_producer.ledger import Ledger, connect
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swapline_producer.contract.changes import JobFields

MAY_TAKE = 0.3
"""Seconds for a page."""
TRIES = 15
"""Requests for each page: the median and the worst are shown."""
AT_ONCE = 500
"""Jobs in one round trip."""
ENDED = 0.5
"""The share of the jobs that have ended; the others wait."""
FAILS = 20
"""Of the ended jobs each so-and-so-manieth failed."""
TENANTS = [f"tenant-{number:03}" for number in range(200)]
RARE = "once-a-year"
"""A tenant whose few jobs are the oldest of all."""
PASSWORD = "only-for-the-bench"  # noqa: S105 -- it opens nothing else


def new_jobs(number: int) -> Iterator[NewJob]:
    """Return `number` new jobs."""
    for n in range(number):
        spec = JobSpec.model_validate(
            {
                "image": LinkedImage(url="https://pictures.example/me.jpg"),
                "gender": 1,
                "filter_id": 12,
                "tenant": RARE if n < 3 else TENANTS[n * n % len(TENANTS)],  # noqa: PLR2004 -- a few
                "priority": (Priority.HIGH, Priority.NORMAL, Priority.LOW)[n % 3],
                "batch": f"batch-{n // 5000}",
                "idempotency_key": f"order-{n}",
                "metadata": {"order": str(n)},
            }
        ).model_dump(mode="json", exclude_none=True)
        yield NewJob(f"{n:032x}", spec, fingerprint(spec), queue_ttl=86_400, run_timeout=1800)


def in_parts(items: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    """The items, some hundred at a time."""
    iterator = iter(items)
    while part := list(islice(iterator, AT_ONCE)):
        yield part


def fill(ledger: Ledger, jobs: int) -> None:
    """Accept the jobs, and bring the older half to their ends."""
    ledger.limits.configure(Limits(max_in_flight=8, rescue_after=15))
    for part in in_parts(new_jobs(jobs)):
        ledger.intake.accept_many(part)
    for n in range(0, round(jobs * ENDED), AT_ONCE):
        for number, job in enumerate(ledger.jobs.get_many([f"{n + i:032x}" for i in range(AT_ONCE)])):
            end(ledger, job, failed=number % FAILS == 0)


def end(ledger: Ledger, job: Job, *, failed: bool) -> None:
    """End a queued job: the one change that matters to the indexes."""
    if failed:
        learned: JobFields = {"vendor_job_id": f"v-{job.job_id}"}
        change = transitions.failed(job, FailureCode.VENDOR_FAILED, "", rescue_after=0, learned=learned)
    else:
        change = transitions.succeeded(job, (), rescue_after=0, learned={"credits": 2, "polls": 5})
    ledger.transitions.advance(job, change)


def pages(jobs: int) -> dict[str, str]:
    """What is asked for: each page, and those that are hardest."""
    last = f"{round(jobs * ENDED) - 1:032x}"
    return {
        "overview": "/",
        "jobs": "/jobs",
        "one state": "/jobs?state=QUEUED",
        "a code": "/jobs?code=VENDOR_FAILED",
        "a code that no job has": "/jobs?code=LOST",
        "a tenant": f"/jobs?tenant={TENANTS[1]}",
        "a tenant far back": f"/jobs?tenant={RARE}",
        "no such tenant": "/jobs?tenant=nobody",
        "a batch": f"/jobs?batch=batch-1&tenant={TENANTS[1]}",
        "a tenant's waiting jobs": f"/jobs?line=1&tenant={TENANTS[1]}",
        "one job": f"/jobs/{last}",
        "search: a job": f"/search?q={last}",
        "search: a key": "/search?q=order-17",
        "search: a batch": "/search?q=batch-1",
        "search: a tenant": f"/search?q={TENANTS[1]}",
        "search: nothing": "/search?q=there-is-no-such-thing",
    }


def measure(url: str, jobs: int) -> float:
    """Show each page's time; return the worst median."""
    session = requests.Session()
    session.auth = ("swapline", PASSWORD)
    medians = []
    for name, path in pages(jobs).items():
        times = []
        for _ in range(TRIES):
            began = time.perf_counter()
            reply = session.get(url + path, allow_redirects=False, timeout=60)
            times.append(time.perf_counter() - began)
            reply.raise_for_status()
        medians.append(statistics.median(times))
        print(
            f"{name:26} {1000 * medians[-1]:7.1f} ms  worst {1000 * max(times):7.1f} ms  {len(reply.content):9,} bytes"
        )
    far = deep(session, url)
    print(f"{'the 40th page of the list':26} {1000 * far:7.1f} ms")
    return max(*medians, far)


def deep(session: requests.Session, url: str) -> float:
    """The time of the fortieth page of the list, reached as a person would."""
    path, took = "/jobs", 0.0
    for _ in range(40):
        began = time.perf_counter()
        text = session.get(url + path, timeout=60).text
        took = time.perf_counter() - began
        path = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    return took


def main() -> None:
    """Fill, start, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200_000)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder), appendfsync="everysec") as server:
        ledger = Ledger(connect(server.url))
        began = time.perf_counter()
        fill(ledger, jobs)
        print(f"{jobs:,} jobs accepted, half of them ended, in {time.perf_counter() - began:.0f} s")
        ready = Path(folder) / "board.json"
        environment = {
            "PATH": os.environ["PATH"],
            "SWAPLINE_REDIS_URL": server.url,
            "SWAPLINE_BOARD_PASSWORD": PASSWORD,
        }
        swapline = Path(sys.executable).with_name("swapline")
        child = subprocess.Popen([swapline, "board", "--port", "0", "--ready-file", ready], env=environment, cwd=folder)
        try:
            while not ready.exists():
                time.sleep(0.05)
            worst = measure(json.loads(ready.read_text())["url"], jobs)
        finally:
            child.terminate()
            child.wait(30)
    print(f"the slowest page: {1000 * worst:.0f} ms (it may take {1000 * MAY_TAKE:.0f} ms)")
    sys.exit(worst > MAY_TAKE)


if __name__ == "__main__":
    main()
