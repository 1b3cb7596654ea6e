"""How fast jobs are enqueued: one at a time, and many; jobs a second on this machine, pictures by URL.

    make bench-enqueue            JOBS=20000 by default

Each number is the best of three rounds, against an embedded server of its own, with no worker running: what is
measured is what a backend waits for. The fast way is checked to have made every job.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_workers.local.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 3
"""The best of three: what else the machine does only ever makes a round slower."""

ALONE = 2_000
"""Jobs of one round one at a time: a second or two."""


def requests(number: int) -> Iterator[SwapRequest]:
    """Requests that differ from each other, made on the way, as a backend makes them."""
    for n in range(number):
        image = f"https://pictures.example.com/{n}.jpg"
        yield SwapRequest(image=image, gender=n % 4, filter_id=12, metadata={"order": str(n)})


def one_at_a_time(producer: Producer, number: int) -> None:
    """Enqueue each by itself."""
    for request in requests(number):
        producer.enqueue(request)


def many(producer: Producer, number: int) -> None:
    """Enqueue all in one go."""
    failed = [result.error for result in producer.enqueue_many(requests(number)) if result.error]
    if failed:
        raise SystemExit(f"{len(failed)} were not enqueued: {failed[0]}")


def rate(url: str, name: str, way: Callable[[Producer, int], None], number: int) -> float:
    """Jobs a second."""
    best = 0.0
    for n in range(ROUNDS):
        producer = Producer.connect(ProducerSettings(redis_url=url, key_prefix=f"{name}-{n}"))
        way(producer, 100)  # connections are made, scripts loaded
        start = time.perf_counter()
        way(producer, number)
        best = max(best, number / (time.perf_counter() - start))
        made = producer.ledger.census()[State.QUEUED]
        if made != number + 100:
            raise SystemExit(f"{made} jobs were made instead of {number + 100}")
    return best


def main() -> None:
    """Measure both and print three lines."""
    number = int(os.environ.get("JOBS") or 20_000)
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        alone = rate(server.url, "alone", one_at_a_time, min(number, ALONE))
        bulk = rate(server.url, "bulk", many, number)
    print(f"enqueue        {alone:8,.0f} jobs/s")
    print(f"enqueue_many   {bulk:8,.0f} jobs/s")
    print(f"factor         {bulk / alone:8.1f}")


if __name__ == "__main__":
    main()
