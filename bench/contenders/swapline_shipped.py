"""Swapline as it is shipped: an embedded server that keeps every write, and one worker process."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from runner import AT_ONCE, FOLDER, JOBS, VENDOR, WARM_UP, done, photo, ready, running

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.ledger import Ledger, connect
from swapline_workers.local.valkey.server import EmbeddedValkey

sys.path.append(str(Path(__file__).parents[1]))  # the benches' own: no other contender needs any of it

from environment import worker_settings

WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))
MORE = os.environ.get("BENCH_WORKER_ARGUMENTS", "").split()
WEBHOOK = os.environ.get("BENCH_WEBHOOK") or None


def work_off(producer: Producer, ledger: Ledger, first: int, last: int) -> None:
    """Enqueue and wait until all have ended."""
    for n in range(first, last):
        producer.enqueue(
            SwapRequest(image=photo(n).read_bytes(), gender=0, filter_id=12, webhook_url=WEBHOOK),
        )
    while True:
        census = ledger.stats.census()
        if sum(number for state, number in census.items() if state.finished) >= last:
            break
        time.sleep(0.05)
    if census["SUCCEEDED"] < last:
        raise SystemExit(f"not all succeeded: {census}")


def main() -> None:
    """Warm up, then run."""
    store = (FOLDER / "store").as_uri()
    if os.environ.get("BENCH_STORE") == "s3":
        store, credentials = "s3://bench", {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        os.environ |= {"AWS_ENDPOINT_URL": VENDOR, "AWS_REGION": "us-east-1", **credentials}
    else:
        (FOLDER / "store").mkdir()
    with ExitStack() as opened:
        valkey = opened.enter_context(EmbeddedValkey(FOLDER / "valkey", unix_socket=FOLDER / "redis.sock"))
        environment = worker_settings(valkey.url, VENDOR, store, AT_ONCE)
        for number in range(WORKERS):
            opened.enter_context(running("swapline", "worker", "--name", f"w{number}@%h", *MORE, **environment))
        client = connect(valkey.url)
        ledger = Ledger(client)
        producer = Producer.connect(
            ProducerSettings(redis_url=valkey.url, storage_url=store, webhook_allow_private=True)
        )
        work_off(producer, ledger, 0, WARM_UP)
        ready()
        work_off(producer, ledger, WARM_UP, WARM_UP + JOBS)
        done()


if __name__ == "__main__":
    main()
