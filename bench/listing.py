"""How long `jobs list` takes on a large ledger, and how long it keeps the server from others.

    .venv/bin/python bench/listing.py [JOBS]      200000 by default

The ledger is filled with jobs of every state and with records of the size that real ones have, by the keys' own layout.
Each query is the command itself, from its start to its end, with the processor time of command and server; beside it
stands the longest single call to the server.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from swapline_producer.contract import FailureCode, State
from swapline_producer.ledger import connect
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    import redis

SWAPLINE = Path(sys.executable).with_name("swapline")

SHARES = {
    State.QUEUED: 0.3,
    State.RUNNING: 0.0001,
    State.STORING: 0.001,
    State.HELD: 0.0001,
    State.SUCCEEDED: 0.6,
    State.FAILED: 0.07,
    State.EXPIRED: 0.01,
    State.TIMED_OUT: 0.01,
    State.CANCELED: 0.0088,
}

QUERIES = (
    (),
    ("--oldest-first",),
    ("--state", "FAILED"),
    ("--state", "QUEUED", "--oldest-first"),
    ("--code", "LOST"),
    ("--code", "FILTER_BLOCKED", "--tenant", "shop-7"),
    ("--tenant", "shop-7"),
    ("--tenant", "nobody"),
    ("--batch", "b3"),
    ("--batch", "b3", "--tenant", "shop-10"),
    ("--older-than", "3d"),
    ("--newer-than", "1h"),
    ("--notification", "DEAD"),
    ("--after", "MIDDLE"),
    ("--limit", "1000"),
)


def fill(client: redis.Redis, prefix: str, number: int) -> list[str]:
    """Write jobs, a second of age between each two; return their ids."""
    rng = random.Random(7)
    now = time.time_ns() // 1_000_000
    states = rng.choices(list(SHARES), weights=list(SHARES.values()), k=number)
    ids = []
    pipe = client.pipeline(transaction=False)
    for n, state in enumerate(states):
        created = now - (number - n) * 1000
        job_id = f"{created:012x}{rng.randbytes(10).hex()}"
        ids.append(job_id)
        pipe.hset(f"{prefix}:job:{job_id}", mapping=record(n, state, created, rng))
        moved = created if state is State.QUEUED else min(now, created + rng.randrange(1, 3_600_000))
        pipe.zadd(f"{prefix}:state:{state}", {job_id: moved})
        if state.finished and n % 500 == 0:
            pipe.zadd(f"{prefix}:dead", {job_id: moved})
        if n % 10 == 0:
            pipe.zadd(f"{prefix}:batch:shop-{n % 50}:b{n % 7}", {job_id: created})
        if n % 2000 == 0:
            pipe.execute()
    pipe.execute()
    return ids


def record(n: int, state: State, created: int, rng: random.Random) -> dict[str, Any]:
    """One job's fields."""
    spec = {
        "image": {"kind": "url", "url": f"https://pictures.example.com/{n}.jpg"},
        "gender": n % 4,
        "filter_id": 12,
        "webhook_url": "https://shop.example/hooks/faces",
        "metadata": {"order": str(n)},
    }
    fields: dict[str, Any] = {
        "state": state,
        "version": 5,
        "sent": 5,
        "spec": orjson.dumps(spec).decode(),
        "tenant": f"shop-{n % 50}",
        "priority": "normal",
        "created_at": created,
        "queue_until": created + 86_400_000,
        "run_timeout_ms": 1_800_000,
    }
    if n % 10 == 0:
        fields["batch"] = f"b{n % 7}"
    if state in {State.FAILED, State.TIMED_OUT, State.EXPIRED, State.CANCELED, State.HELD}:
        fields["failure_code"] = rng.choice(list(FailureCode))
    if state.finished:
        fields |= {"notification": "DEAD" if n % 500 == 0 else "DELIVERED", "finished_at": created + 9000}
        fields |= {"vendor_job_id": f"job-{n}", "polls": 6, "attempts": 1, "credits": 2, "token": "a1b2c3d4e5f6"}
    return fields


def longest_call(client: redis.Redis) -> float:
    """Milliseconds of the slowest command since the log was reset; 0 where all were under a millisecond."""
    found: list[dict[str, Any]] = client.slowlog_get(1000)  # type: ignore[assignment]
    return max((entry["duration"] / 1000 for entry in found if b"INFO" not in entry["command"]), default=0.0)


def cpu(client: redis.Redis) -> tuple[float, float]:
    """Seconds of processor time that commands have used so far, and that the server has: noise leaves them alone."""
    ours, theirs = os.times(), client.info("cpu")
    return ours.children_user + ours.children_system, theirs["used_cpu_user"] + theirs["used_cpu_sys"]


def main() -> None:
    """Fill, ask, print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder), appendfsync="no") as server:
        client = connect(server.url, timeout=120)
        started = time.perf_counter()
        ids = fill(client, "swapline", number)
        print(f"{number:,} jobs written in {time.perf_counter() - started:.0f} s")
        client.config_set("slowlog-log-slower-than", 1000)
        client.config_set("slowlog-max-len", 1000)
        environment = os.environ | {"SWAPLINE_REDIS_URL": server.url}
        for query in QUERIES:
            arguments = [ids[number // 2] if part == "MIDDLE" else part for part in query]
            client.slowlog_reset()
            started, busy = time.perf_counter(), cpu(client)
            done = subprocess.run(
                [SWAPLINE, "jobs", "list", "--json", *arguments],
                env=environment,
                check=True,
                capture_output=True,
            )
            took, command, server_s = (
                time.perf_counter() - started,
                *(b - a for a, b in zip(busy, cpu(client), strict=True)),
            )
            found = orjson.loads(done.stdout)
            states = Counter(job["state"] for job in found).most_common(2)
            most = ", ".join(f"{number} {state}" for state, number in states)
            print(
                f"{took:6.2f} s (CPU {command:4.2f} + {server_s:4.2f} s)  longest call {longest_call(client):5.1f} ms",
                f"{len(found):5} jobs  {' '.join(query)}  {most}",
                flush=True,
            )
        client.close()


if __name__ == "__main__":
    main()
