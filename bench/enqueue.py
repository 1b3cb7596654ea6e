"""How long a backend waits for `Producer.enqueue`, and how many jobs a second it enqueues in bulk.

    make bench-enqueue            JOBS=20000 by default, for the bulk

Against an embedded server of its own that flushes every write before it answers, and a store in a folder, with no
worker running: what is measured is what a backend waits for. Times are those of all rounds together; rates are the
best of them, because what else the machine does only ever makes a round slower. The bulk is checked to be whole.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environment import DOCS, PHOTO_SIZE, Environment, links, photograph, running_environment
from report import machine, percentile, table, warn_if_busy, write_json
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROUNDS = 3
WARM_UP = 100
"""Jobs before each round: connections are made, scripts loaded."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000, help="of one bulk")
    parser.add_argument("--alone", type=int, default=2_000, help="of one round, one at a time, by URL")
    parser.add_argument("--photographs", type=int, default=500, help="of one round, one at a time and in bulk")
    parser.add_argument("--json", type=Path, default=DOCS / "enqueue.json")
    return parser.parse_args()


def pictures(number: int) -> list[SwapRequest]:
    """Requests with a photograph each, in memory, as an upload is."""
    return [SwapRequest(image=photograph(PHOTO_SIZE), gender=0, filter_id=12) for _ in range(number)]


def timed(producer: Producer, requests: Iterable[SwapRequest]) -> Iterator[float]:
    """Enqueue one after another; return the milliseconds of each."""
    for request in requests:
        began = time.perf_counter()
        producer.enqueue(request)
        yield (time.perf_counter() - began) * 1000


def bulk(producer: Producer, requests: Iterable[SwapRequest]) -> None:
    """Enqueue all in one go. Raises SystemExit where one of them failed."""
    failed = [result.error for result in producer.enqueue_many(requests) if result.error]
    if failed:
        raise SystemExit(f"{len(failed)} were not enqueued: {failed[0]}")


def one_at_a_time(here: Environment, rounds: Iterable[Iterable[SwapRequest]]) -> dict[str, Any]:
    """Give what a backend waits for one job: percentiles in milliseconds, and the best rate."""
    everything: list[float] = []
    best = 0.0
    for number, requests in enumerate(rounds):
        producer = fresh(here, f"alone-{number}")
        took = list(timed(producer, requests))
        everything += took
        best = max(best, 1000 * len(took) / sum(took))
    shares = {f"p{share} ms": round(percentile(everything, share), 2) for share in (50, 90, 99)}
    return {**shares, "most ms": round(max(everything), 1), "jobs/s": round(best)}


def many(here: Environment, rounds: Iterable[tuple[int, Iterable[SwapRequest]]]) -> float:
    """Return the best rate of a bulk, in jobs a second."""
    best = 0.0
    for number, (size, requests) in enumerate(rounds):
        producer = fresh(here, f"bulk-{size}-{number}")
        began = time.perf_counter()
        bulk(producer, requests)
        best = max(best, size / (time.perf_counter() - began))
        made = producer.ledger.stats.census()[State.QUEUED]
        if made != size + WARM_UP:
            raise SystemExit(f"{made} jobs were made instead of {size + WARM_UP}")
    return best


def fresh(here: Environment, prefix: str) -> Producer:
    """Return a producer that has been used a little, for keys of its own."""
    settings = here.producer.settings.model_dump() | {"key_prefix": prefix}
    producer = Producer.connect(ProducerSettings(**settings))
    bulk(producer, links(WARM_UP // 2))
    for request in links(WARM_UP // 2):
        producer.enqueue(request)
    return producer


def main() -> None:
    """Measure all of them and print the table."""
    chosen, found_here = arguments(), machine()
    with running_environment(
        "http://127.0.0.1:9", slots=3, workers=0
    ) as here:  # no worker runs, so this vendor is never called
        some = chosen.photographs
        rows = [
            {"enqueue": "a URL", **one_at_a_time(here, (links(chosen.alone) for _ in range(ROUNDS)))},
            {"enqueue": "225 KB", **one_at_a_time(here, (pictures(some) for _ in range(ROUNDS)))},
        ]
        rates = {
            "enqueue_many, URLs": round(many(here, ((chosen.jobs, links(chosen.jobs)) for _ in range(ROUNDS)))),
            "enqueue_many, 225 KB": round(many(here, ((some, pictures(some)) for _ in range(ROUNDS)))),
        }
    print(table(rows))
    for name, rate in rates.items():
        print(f"{name}: {rate:,} jobs/s")
    warn_if_busy(found_here)
    write_json(chosen.json, {"machine": found_here, "one_at_a_time": rows, "bulk": rates})


if __name__ == "__main__":
    main()
