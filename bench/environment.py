"""The environment of a bench: a fake vendor, an embedded server, workers and a producer, as shipped.

Everything is in one temporary folder. Defaults apply: one durable server that flushes every write, workers of sixteen
threads, a store in a folder.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import requests

from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import State
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import redis

    from swapline_producer.ledger import Ledger

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
SWAPLINE = Path(sys.executable).with_name("swapline")
KEY_HEADER, KEY = "X-API-Key", "sim-key"
"""Not checked by the fake vendor."""
PHOTO_SIZE = 225_000
"""Bytes of an input: a photograph from a phone, as a photo booth sends it."""
BAD = {state for state in State if state.finished} - {State.SUCCEEDED} | {State.HELD}
"""States that make a bench's numbers invalid."""
START_TIMEOUT_S = 60.0
"""Seconds for a worker to start: five on a busy machine."""


@cache
def _sample() -> bytes:
    from swapline_simulator import sample_photographs  # noqa: PLC0415 -- loads Pillow, and draws

    return sample_photographs()[0]


def photograph(size: int = PHOTO_SIZE) -> bytes:
    """Return a JPEG of `size` bytes that differs from every other one: comment segments fill it up."""
    sample = _sample()
    ballast = os.urandom(max(0, size - len(sample)))
    parts = [ballast[at : at + 60_000] for at in range(0, len(ballast), 60_000)]
    comments = b"".join(b"\xff\xfe" + (len(part) + 2).to_bytes(2, "big") + part for part in parts)
    return sample[:2] + comments + sample[2:]


def photographs(folder: Path, number: int) -> None:
    """Write `number` photographs into a folder."""
    for n in range(number):
        (folder / f"{n}.jpg").write_bytes(photograph())


def links(number: int, webhook: str | None = None) -> Iterator[SwapRequest]:
    """Requests by URL, made on the way, as a backend makes them: nothing is uploaded."""
    for n in range(number):
        image = f"https://pictures.example.com/{n}.jpg"
        yield SwapRequest(image=image, gender=n % 4, filter_id=12, metadata={"order": str(n)}, webhook_url=webhook)


@contextmanager
def fake_vendor(size: int, polls: int = 1, seconds: str = "", start_after: int = 0) -> Iterator[str]:
    """Run the fake vendor; return its URL. A second one serves as a receiver of webhooks, at `/hook`."""
    more = [f"--size={size}", f"--polls={polls}", f"--seconds={seconds}", f"--start-after={start_after}"]
    with subprocess.Popen([sys.executable, HERE / "fake_vendor.py", *more], stdout=subprocess.PIPE, text=True) as child:
        try:
            yield f"http://127.0.0.1:{child.stdout.readline().strip() if child.stdout else ''}"
        finally:
            child.terminate()


def recorded_by(url: str, what: str) -> dict[str, list[float]]:
    """Return the times that a fake vendor has recorded: `polls`, `ends` or `hooks`."""
    found: dict[str, list[float]] = requests.get(f"{url}/{what}", timeout=60).json()
    return found


def worker_settings(redis_url: str, vendor: str, store: str, slots: int) -> dict[str, str]:
    """Return the settings of a worker that differ from the defaults."""
    return {
        "SWAPLINE_REDIS_URL": redis_url,
        "SWAPLINE_STORAGE_URL": store,
        "SWAPLINE_API_BASE_URL": vendor,
        "SWAPLINE_API_KEY": KEY,
        "SWAPLINE_API_KEY_HEADER": KEY_HEADER,
        "SWAPLINE_MAX_IN_FLIGHT": str(slots),
        "SWAPLINE_WEBHOOK_ALLOW_PRIVATE": "true",
        "SWAPLINE_WEBHOOK_SECRETS": "whsec_" + base64.b64encode(os.urandom(32)).decode(),
    }


@dataclass(frozen=True)
class Environment:
    """The running parts of a bench."""

    folder: Path
    producer: Producer
    ours: dict[str, psutil.Process]
    """Every process of ours but the producer, by what it is: `valkey`, `worker 1`, `worker 2`."""

    @property
    def ledger(self) -> Ledger:
        """The producer's ledger."""
        return self.producer.ledger

    @property
    def client(self) -> redis.Redis:
        """The ledger's client."""
        return self.producer.ledger.client

    def redis_memory(self) -> int:
        """Bytes that the server has given to its data."""
        return int(self.client.info("memory")["used_memory"])

    def ended(self) -> int:
        """Jobs whose records say that they have ended. Raises SystemExit where one of them did not succeed."""
        return sum(number for state, number in self._census().items() if state.finished)

    def unfinished(self) -> int:
        """Jobs that have not ended. Raises SystemExit where one that has did not succeed."""
        return sum(number for state, number in self._census().items() if not state.finished)

    def in_flight(self) -> int:
        """Jobs that the vendor has, or is being given."""
        census = self.ledger.stats.census()
        return census[State.SUBMITTING] + census[State.RUNNING]

    def _census(self) -> dict[State, int]:
        census = self.ledger.stats.census()
        bad = {state: number for state, number in census.items() if number and state in BAD}
        if bad:
            raise SystemExit(f"not all succeeded: {bad}; the log: {(self.folder / 'log').read_text()[-2000:]}")
        return census

    def wait_for(self, number: int, *, every: float = 0.1) -> None:
        """Wait until `number` jobs have succeeded."""
        while self.ended() < number:
            self.still_there()
            time.sleep(every)

    def still_there(self) -> None:
        """Raise SystemExit if one of our processes has ended: the wait would never end."""
        gone = [name for name, one in self.ours.items() if not one.is_running() or one.status() == psutil.STATUS_ZOMBIE]
        if gone:
            raise SystemExit(f"{', '.join(gone)} ended: {(self.folder / 'log').read_text()[-2000:]}")

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU of each of ours so far."""
        return {name: sum(one.cpu_times()[:2]) for name, one in self.ours.items()}


@contextmanager
def running_environment(
    vendor: str, *, slots: int, workers: int = 1, command: Sequence[str] = (str(SWAPLINE), "worker"), **more: str
) -> Iterator[Environment]:
    """Start the environment for a vendor. `command` starts a worker; `more` are further settings, by full name."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends with the bench
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        store = folder / "store"
        store.mkdir()
        server = opened.enter_context(EmbeddedValkey(folder / "valkey"))
        settings = worker_settings(server.url, vendor, store.as_uri(), slots) | more
        producer = Producer.connect(
            ProducerSettings(redis_url=server.url, storage_url=store.as_uri(), webhook_allow_private=True)
        )
        ours = {"valkey": psutil.Process(server.pid)}
        for number in range(1, workers + 1):
            child = opened.enter_context(_worker(folder, [*command, "-n", f"w{number}@%h"], settings))
            ours[f"worker {number}"] = psutil.Process(child.pid)
        made = Environment(folder, producer, ours)
        _wait_until_started(made, workers)
        yield made


@contextmanager
def _worker(folder: Path, command: Sequence[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SWAPLINE_")}
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(
            command,
            env=kept | settings,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield child
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _wait_until_started(made: Environment, workers: int) -> None:
    """Wait for each worker's due dispatcher, which claims as soon as the worker runs."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while made.client.zcard(f"{made.ledger.prefix}:dispatchers") < workers:
        made.still_there()
        if time.monotonic() > deadline:
            raise SystemExit(f"no worker started: {(made.folder / 'log').read_text()[-2000:]}")
        time.sleep(0.1)
