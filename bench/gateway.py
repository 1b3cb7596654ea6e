"""What the gateway costs: latency at a rate, throughput beside a bare endpoint, memory of uploads and of listeners."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

import psutil

from swapline_producer.contract.access import KeyLimits, Scope
from swapline_producer.ledger import Ledger, connect
from swapline_workers.local.ports import LOOPBACK, free_port
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Generator

SWAPLINE = Path(sys.executable).with_name("swapline")
BODY = json.dumps({"image": "https://pictures.example/me.jpg", "gender": 1, "filter_id": 12}).encode()
CONNECTIONS = 16
MB = 1_000_000

BARE = """
import celery, fastapi, os
queue = celery.Celery("bare", broker=os.environ["SWAPLINE_REDIS_URL"])
queue.conf.task_ignore_result = True

@queue.task(name="swap")
def swap(image: str, gender: int, filter_id: int) -> None: ...

app = fastapi.FastAPI()

@app.post("/v1/swaps")
def create(body: dict) -> dict:
    return {"id": swap.delay(**body).id}
"""
"""What a tutorial shows: it checks nothing, keeps nothing and finds no repetition."""


class Client:
    """One kept connection that speaks as much HTTP as it needs."""

    def __init__(self, port: int, key: str) -> None:
        """Connect later."""
        self._port, self._key = port, key

    async def connect(self) -> None:
        """Open the connection."""
        self.reader, self.writer = await asyncio.open_connection(LOOPBACK, self._port)

    def send(self, verb: str, path: str, body: bytes = b"", kind: str = "application/json") -> None:
        """Write a request."""
        head = (
            f"{verb} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self._key}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)

    async def succeed(self) -> None:
        """Read an answer whole, which must be a good one."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:")).split(":")[1]
        await self.reader.readexactly(int(length))
        if not head.split()[1].startswith("2"):
            raise RuntimeError(head)


async def latency(port: int, key: str, rate: int, seconds: float) -> dict[str, float]:
    """Milliseconds of requests that come at a rate, whatever the answers do."""
    free: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(CONNECTIONS * 4):
        client = Client(port, key)
        await client.connect()
        free.put_nowait(client)
    took: list[float] = []

    async def one(due: float) -> None:
        client = await free.get()
        client.send("POST", "/v1/swaps", BODY)
        await client.succeed()
        took.append((time.perf_counter() - due) * 1000)
        free.put_nowait(client)

    start, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        tasks.append(asyncio.ensure_future(one(due)))
    await asyncio.gather(*tasks)
    cuts = quantiles(took, n=100)
    return {"p50": round(cuts[49], 2), "p99": round(cuts[98], 2)}


async def throughput(port: int, key: str, seconds: float) -> float:
    """Requests a second of `CONNECTIONS` that ask as fast as they are answered."""
    count, stop_at = 0, time.perf_counter() + seconds

    async def ask() -> None:
        nonlocal count
        client = Client(port, key)
        await client.connect()
        while time.perf_counter() < stop_at:
            client.send("POST", "/v1/swaps", BODY)
            await client.succeed()
            count += 1

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return count / seconds


async def uploads(port: int, key: str, number: int, process: psutil.Process) -> float:
    """MB by which the process grows while photographs of 7 MB come at once."""
    photo = b"\xff\xd8\xff\xe0\x00\x02" + b"\xff\xc0\x00\x0b\x08\x04\x00\x04\x00\x01\x01\x11\x00\xff\xda\x00\x02"
    before, most, done = process.memory_info().rss, 0, False

    async def watch() -> None:
        nonlocal most
        while not done:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.01)

    async def upload() -> None:
        boundary = secrets.token_hex(8)
        fields = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (("gender", 1), ("filter_id", 12))
        )
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        body = fields.encode() + head.encode() + photo + secrets.token_bytes(7 * MB).replace(b"\xff", b"\xfe")
        client = Client(port, key)
        await client.connect()
        client.send(
            "POST",
            "/v1/swaps",
            body + b"\xff\xd9" + f"\r\n--{boundary}--\r\n".encode(),
            f"multipart/form-data; boundary={boundary}",
        )
        await client.writer.drain()
        await client.succeed()

    watching = asyncio.ensure_future(watch())
    await asyncio.gather(*(upload() for _ in range(number)))
    done = True
    await watching
    return (most - before) / MB


async def listeners(port: int, key: str, number: int, process: psutil.Process, ledger: Ledger) -> dict[str, float]:
    """MB of the process and its subscriptions in Redis, with listeners to events of jobs of their own."""
    client = Client(port, key)
    await client.connect()
    clients = []
    for _ in range(number):
        client.send("POST", "/v1/swaps", BODY)
        head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
        place = next(line for line in head.split("\r\n") if line.lower().startswith("location:")).split(": ")[1]
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:")).split(":")[1]
        await client.reader.readexactly(int(length))
        listener = Client(port, key)
        await listener.connect()
        listener.send("GET", f"{place}/events")
        await listener.reader.readuntil(b"queued")
        clients.append(listener)
    rss, subscriptions = process.memory_info().rss / MB, len(ledger.client.client_list(_type="pubsub"))
    for one in clients:
        one.writer.close()
    return {"MB": round(rss, 1), "subscriptions": subscriptions}


@contextmanager
def gateway(folder: Path, environment: dict[str, str]) -> Generator[tuple[int, psutil.Process]]:
    """Run the gateway for a block."""
    port = free_port()
    with _child([str(SWAPLINE), "gateway", "--port", str(port)], folder, environment, port) as child:
        yield port, psutil.Process(child.pid)


@contextmanager
def bare(folder: Path, environment: dict[str, str]) -> Generator[int]:
    """Run the bare endpoint for a block."""
    (folder / "bare.py").write_text(BARE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bare:app", "--port", str(port), "--log-level", "warning"]
    with _child(command, folder, environment, port):
        yield port


@contextmanager
def _child(
    command: list[str], folder: Path, environment: dict[str, str], port: int
) -> Generator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if any(one.laddr.port == port for one in psutil.Process(child.pid).net_connections()):
                break
            time.sleep(0.1)
        yield child
    finally:
        child.terminate()
        child.wait(30)


def main() -> None:
    """Measure all of it, in one run."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=int, default=200)
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--uploads", type=int, default=50)
    options.add_argument("--listeners", type=int, default=2000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedValkey(Path(name) / "valkey") as valkey:
        folder = Path(name)
        environment = {
            "SWAPLINE_REDIS_URL": valkey.url,
            "SWAPLINE_KEY_PREFIX": "bench",
            "SWAPLINE_STORAGE_URL": (folder / "store").as_uri(),
        }
        ledger = Ledger(connect(valkey.url), "bench")
        key, _ = ledger.api_keys.create("acme", list(Scope), limits=KeyLimits(rate=100_000, burst=1_000_000))
        with gateway(folder, environment) as (port, _):
            asyncio.run(throughput(port, key, 1))
            found = asyncio.run(latency(port, key, given.rate, given.seconds))
            print(f"enqueue by URL at {given.rate}/s, ms: {found}")
        ratios = []
        for _ in range(given.pairs):
            with gateway(folder, environment) as (port, _):
                ours = asyncio.run(throughput(port, key, given.seconds / 2))
            with bare(folder, environment) as port:
                theirs = asyncio.run(throughput(port, key, given.seconds / 2))
            ratios.append(ours / theirs)
            print(f"requests a second: {ours:.0f}, bare {theirs:.0f}, ratio {ratios[-1]:.2f}")
        with gateway(folder, environment) as (port, process):
            asyncio.run(throughput(port, key, 1))
            print(f"{given.uploads} uploads of 7 MB: {asyncio.run(uploads(port, key, given.uploads, process)):.0f} MB")
        with gateway(folder, environment) as (port, process):
            print(f"{given.listeners} listeners: {asyncio.run(listeners(port, key, given.listeners, process, ledger))}")


if __name__ == "__main__":
    main()
