"""A whole installation for tests: real Valkey, real worker processes, the simulator, a folder store, a receiver."""

from __future__ import annotations

import base64
import http.server
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.programs.processes import ALWAYS_NEW, run, start
from swapline_producer import Producer, ProducerSettings, SwapRequest
from swapline_producer.contract import BatchEvent
from swapline_producer.webhooks.signing import verify
from swapline_simulator import Simulator, SimulatorConfig

if TYPE_CHECKING:
    from collections.abc import Generator

    from swapline_producer.contract import Job, SwapEvent
    from swapline_workers.local.valkey.server import EmbeddedValkey

SWAPLINE = Path(sys.executable).with_name("swapline")
CELERY = Path(sys.executable).with_name("celery")
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook receiver that verifies what it gets; `answers` are given in turn, then 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        self.deliveries: queue.Queue[tuple[str, SwapEvent]] = queue.Queue()
        self.batches: queue.Queue[tuple[str, BatchEvent]] = queue.Queue()
        self.raw: list[tuple[bytes, dict[str, str]]] = []
        self.answers: list[int] = []
        self.secret = SECRET

    def next(self) -> tuple[str, SwapEvent]:
        """(webhook-id, event) of the next delivery."""
        return self.deliveries.get(timeout=60)


class _Hook(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.raw.append((body, headers))
        event = verify(body, headers, self.server.secret)
        answer = self.server.answers.pop(0) if self.server.answers else 204
        self.send_response(answer)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if isinstance(event, BatchEvent):
            self.server.batches.put((headers["webhook-id"], event))
        else:
            self.server.deliveries.put((headers["webhook-id"], event))

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@dataclass
class Worker:
    """One worker in a process group of its own."""

    child: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.append(line)
            if " ready." in line:
                self.ready.set()
        self.ready.set()

    def log(self) -> str:
        return "".join(self.lines)

    @property
    def way(self) -> tuple[str, str]:
        """How it says that it runs steps: the pool, and SWAPLINE_DISPATCH."""
        found = re.search(r"worker started: pool (\w+), concurrency \d+, dispatch (\w+)", self.log())
        assert found, self.log()
        return found[1], found[2]

    @contextmanager
    def frozen(self) -> Generator[None]:
        """SIGSTOP for the length of a block."""
        os.killpg(self.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.child.pid, signal.SIGCONT)

    def kill(self) -> None:
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(30)

    def stop(self) -> int:
        if self.child.poll() is None:
            self.child.terminate()
        return self.child.wait(60)


@dataclass
class Installation:
    """What a test runs against."""

    valkey: EmbeddedValkey
    prefix: str
    store: Path
    vendor: Simulator
    receiver: Receiver
    more: dict[str, str] = field(default_factory=dict)
    producers: list[Producer] = field(default_factory=list)
    pool: str = "threads"
    """What `worker` runs steps on."""
    new_processes: bool = ALWAYS_NEW
    """Whether each command starts as a process of its own, or as a fork of one that has loaded our packages."""

    @property
    def environment(self) -> dict[str, str]:
        """All settings, and nothing of the person who runs the tests."""
        base = {name: value for name, value in os.environ.items() if not name.startswith("SWAPLINE_")}
        return base | {
            "SWAPLINE_REDIS_URL": self.valkey.url,
            "SWAPLINE_KEY_PREFIX": self.prefix,
            "SWAPLINE_STORAGE_URL": self.store.as_uri(),
            "SWAPLINE_API_BASE_URL": self.vendor.url,
            "SWAPLINE_API_KEY": self.vendor.config.key,
            "SWAPLINE_API_KEY_HEADER": self.vendor.config.key_header,
            "SWAPLINE_WEBHOOK_SECRETS": SECRET,
            "SWAPLINE_WEBHOOK_ALLOW_PRIVATE": "true",
            "SWAPLINE_POLL_MIN_INTERVAL": "0.05",
            "SWAPLINE_POLL_MAX_INTERVAL": "1",
            **self.more,
        }

    @contextmanager
    def worker(self, *arguments: str) -> Generator[Worker]:
        """Run one worker until the test is done with it."""
        if self.pool != "threads":
            with self.celery_worker("-P", self.pool, "-c", "8", *arguments) as worker:
                yield worker
            return
        with self._running([str(SWAPLINE), "worker", "-c", "8", *arguments]) as worker:
            assert worker.way[0] == "threads"
            yield worker

    @contextmanager
    def celery_worker(self, *arguments: str, app: str = "swapline_workers.entry") -> Generator[Worker]:
        """Run a worker started by Celery's own command."""
        pool = arguments[arguments.index("-P") + 1] if "-P" in arguments else "threads"
        with self._running([str(CELERY), "-A", app, "worker", *arguments]) as worker:
            assert worker.way[0] == {"prefork": "processes"}.get(pool, pool)
            yield worker

    @contextmanager
    def _running(self, command: list[str]) -> Generator[Worker]:
        child = start(
            command,
            new=self.new_processes,
            env=self.environment,
            cwd=self.store.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        worker = Worker(child)
        reader = threading.Thread(target=worker.read)
        reader.start()
        try:
            assert worker.ready.wait(60), worker.log()
            assert child.poll() is None, worker.log()
            yield worker
        finally:
            if child.poll() is None:
                worker.stop()
            reader.join(10)
            assert child.stdout is not None
            child.stdout.close()

    def producer(self) -> Producer:
        settings = ProducerSettings(
            redis_url=self.valkey.url,
            key_prefix=self.prefix,
            storage_url=self.store.as_uri(),
            webhook_allow_private=True,
        )
        self.producers.append(Producer.connect(settings))
        return self.producers[-1]

    def cli(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `swapline` as a user would."""
        return run([SWAPLINE, *arguments], env=self.environment | more, cwd=self.store.parent, new=self.new_processes)

    def run_json(self, *arguments: str, code: int = 0) -> Any:
        """Run `swapline` with `--json`; return what it prints."""
        done = self.cli(*arguments, "--json")
        assert (done.returncode, done.stderr) == (code, "")
        return json.loads(done.stdout)

    def run(self, **values: Any) -> Job:
        """Enqueue one job and wait for its end."""
        producer = self.producer()
        enqueued = producer.enqueue(SwapRequest(**values))
        return producer.wait(enqueued.job_id, timeout=60)

    def stored(self, key: str) -> bytes:
        return (self.store / key).read_bytes()


WAYS = {
    "local": ("threads", "local"),
    "celery": ("threads", "celery"),
    "processes": ("processes", "local"),
    "solo": ("solo", "celery"),
}
"""Ways in which steps run -> the pool, and SWAPLINE_DISPATCH; processes and solo are Celery's own way with both."""


@pytest.fixture(params=WAYS)
def every_way(request: pytest.FixtureRequest, installation: Installation) -> tuple[str, str]:
    """Run the test once for each way; `installation.worker` runs it."""
    installation.pool, installation.more["SWAPLINE_DISPATCH"] = WAYS[request.param]
    return WAYS[request.param]


@pytest.fixture(params=["local", "celery"])
def both_ways(request: pytest.FixtureRequest, installation: Installation) -> str:
    """Run the test with local dispatch and with Celery's own, on threads."""
    installation.more["SWAPLINE_DISPATCH"] = request.param
    return str(request.param)


@pytest.fixture
def new_processes(installation: Installation) -> None:
    """Start each command as a user's shell does."""
    installation.new_processes = True


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def vendor() -> Generator[Simulator]:
    """A vendor that is quick and whose pictures are small."""
    config = SimulatorConfig(seed=7, service_time="fixed:0.1", results="small")
    with Simulator(config) as simulator:
        yield simulator


@pytest.fixture
def installation(
    valkey: EmbeddedValkey,
    prefix: str,
    tmp_path: Path,
    vendor: Simulator,
    receiver: Receiver,
) -> Generator[Installation]:
    store = tmp_path / "store"
    store.mkdir()
    running = Installation(valkey, prefix, store, vendor, receiver)
    yield running
    for producer in running.producers:  # a socket that was opened anew is collected before its connection
        producer.ledger.client.close()
