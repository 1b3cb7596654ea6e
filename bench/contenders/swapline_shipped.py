"""Swapline as it is shipped: an embedded server that keeps every write, and one worker process."""

from __future__ import annotations

import base64
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from turns import AT_ONCE, FOLDER, JOBS, KEY, VENDOR, WARM_UP, done, photo, ready, running

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.ledger import Ledger, connect
from swapline_workers.local.valkey import EmbeddedValkey

WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))
if TYPE_CHECKING:
    from pathlib import Path

MORE = os.environ.get("BENCH_WORKER_ARGUMENTS", "").split()
WEBHOOK = os.environ.get("BENCH_WEBHOOK") or None


def settings(redis_url: str, store: Path) -> dict[str, str]:
    """All settings of a worker; what is not named is as shipped."""
    [(header, key)] = KEY.items()
    return {
        "SWAPLINE_REDIS_URL": redis_url,
        "SWAPLINE_STORAGE_URL": store.as_uri(),
        "SWAPLINE_API_BASE_URL": VENDOR,
        "SWAPLINE_API_KEY": key,
        "SWAPLINE_API_KEY_HEADER": header,
        "SWAPLINE_MAX_IN_FLIGHT": str(AT_ONCE),
        "SWAPLINE_WEBHOOK_ALLOW_PRIVATE": "true",
        "SWAPLINE_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(os.urandom(32)).decode(),
    }


def work_off(producer: Producer, ledger: Ledger, first: int, last: int) -> None:
    """Enqueue and wait until all have ended."""
    for n in range(first, last):
        producer.enqueue(
            SwapRequest(image=photo(n).read_bytes(), gender=0, filter_id=12, webhook_url=WEBHOOK),
        )
    while True:
        census = ledger.census()
        if sum(number for state, number in census.items() if state.finished) >= last:
            break
        time.sleep(0.05)
    if census["SUCCEEDED"] < last:
        raise SystemExit(f"not all succeeded: {census}")


def main() -> None:
    """Warm up, then run."""
    store = FOLDER / "store"
    store.mkdir()
    with ExitStack() as opened:
        valkey = opened.enter_context(EmbeddedValkey(FOLDER / "valkey", unix_socket=FOLDER / "redis.sock"))
        environment = settings(valkey.url, store)
        for number in range(WORKERS):
            opened.enter_context(running("swapline", "worker", "--name", f"w{number}@%h", *MORE, **environment))
        client = connect(valkey.url)
        ledger = Ledger(client)
        producer = Producer.connect(
            ProducerSettings(redis_url=valkey.url, storage_url=store.as_uri(), webhook_allow_private=True)
        )
        work_off(producer, ledger, 0, WARM_UP)
        ready()
        work_off(producer, ledger, WARM_UP, WARM_UP + JOBS)
        done()


if __name__ == "__main__":
    main()
