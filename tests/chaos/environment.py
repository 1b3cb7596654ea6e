"""Everything that is on stage: Valkey, the vendor, workers in groups of their own, a receiver, proxies between them.

What happens is written into a folder of evidence, a line of JSON each, for the checker to read when all is over.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from chaos.accounts import Accounts
from chaos.actor import offset_clock, replace
from chaos.actors import Actor
from chaos.forked import ForkedChild, ForkServer
from chaos.proxy import Proxies, Proxy
from chaos.receiver import Receiver
from swapline_producer import Producer, ProducerSettings
from swapline_producer.ledger import connect
from swapline_simulator.client import Control
from swapline_workers.local.ports import free_port
from swapline_workers.local.ready import read_ready_file, ready_file_written
from swapline_workers.local.supervision.child import Child, Program
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SECRET = "whsec_" + base64.b64encode(b"a secret of the harness, 32 byte").decode()
PREFIX = "chaos"
CHUNK = 4
"""Lines of a batch that are accepted in one go: a kill falls between two such, more often than not."""


def now() -> int:
    """Milliseconds since the epoch, by this machine: one source of time for all evidence."""
    return time.time_ns() // 1_000_000


def plain_environment() -> dict[str, str]:
    """The variables of this process without settings; the harness can be imported."""
    base = {name: value for name, value in os.environ.items() if not name.startswith(("SWAPLINE_", "CHAOS_"))}
    path = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return base | {"PYTHONPATH": os.pathsep.join(path)}


class Record:
    """A file of evidence; any thread may write to it. Each line has its moment by the ledger's clock as well."""

    def __init__(self, file: Path, offset: Path) -> None:
        self._file = file.open("a", encoding="utf-8")
        self._clock = offset_clock(offset)
        self._lock = threading.Lock()

    def __call__(self, fact: dict[str, object]) -> None:
        with self._lock:
            self._file.write(json.dumps({"at": now(), "ledger_at": self._clock(), **fact}) + "\n")
            self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()


@dataclass(frozen=True)
class Setup:
    """How the stage is set. Seconds."""

    seed: int = 1
    workers: int = 2
    slots: int = 3
    """Of the one account, where there are not several."""
    accounts: Mapping[str, int] = field(default_factory=dict)
    """Slots of each of several accounts, by name."""
    rescue_after: float = 15
    service_time: str = "lognormal:1.5,0.3"
    run_timeout: float = 60
    """A HELD job keeps its slot so long: short, or a handful of them would block a small account for half an hour."""
    modes: tuple[str, ...] = ()
    """How the vendor misbehaves from the start."""
    gateway: bool = False
    """Whether every second job is posted to a gateway, which is killed as well."""
    forks: bool = False
    """Whether processes are forked from one that has loaded their modules: cheap. Needs `steps`."""
    steps: bool = False
    """Whether the ledger's clock can be stepped (then workers run through `actor.py`)."""
    settings: dict[str, str] = field(default_factory=dict)


class Stage:
    """A context manager. Workers are not started; everything else is."""

    def __init__(self, folder: Path, setup: Setup, fork_server: ForkServer | None = None) -> None:
        """`fork_server`: one that serves several stages."""
        self.folder, self.setup, self._fork_server = folder, setup, fork_server
        self.evidence = folder / "evidence"
        self.store = self.evidence / "store"
        self.offset = folder / "offset"
        self.valkey = EmbeddedValkey(folder / "valkey")
        self.accounts = Accounts(folder / "accounts.json", setup.accounts, setup.service_time)
        self._stack = ExitStack()
        self.actors: list[Actor] = []

    def __enter__(self) -> Self:
        self.store.mkdir(parents=True)
        self.offset.write_text("0")
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def record(self, name: str) -> Callable[[dict[str, object]], None]:
        """A file of evidence."""
        record = Record(self.evidence / f"{name}.jsonl", self.offset)
        self._stack.callback(record.close)
        return record

    def _open(self, stack: ExitStack) -> None:
        self._stack = stack
        stack.enter_context(self.valkey)
        vendor = self._vendor()
        vendor.start()
        stack.callback(vendor.stop)
        self.vendor_url = str(read_ready_file(self.folder / "vendor.ready")["url"])
        self.vendor = Control(self.vendor_url)
        receiver = stack.enter_context(Receiver(self.record("deliveries")))
        self.proxies = stack.enter_context(Proxies(self.record("faults")))
        self.links = {
            "vendor": self.proxies.between("vendor", int(self.vendor_url.rsplit(":", 1)[1])),
            "redis": self.proxies.between("redis", self.valkey.port),
            "receiver": self.proxies.between("receiver", receiver.server_port),
        }
        self.accounts.open(self.vendor, f"http://127.0.0.1:{self.links['vendor'].port}", self.setup.modes)
        self.hook = f"http://127.0.0.1:{self.links['receiver'].port}/hook"
        self.client = connect(self.valkey.url)
        stack.callback(self.client.close)
        self.producer = self._producer()
        if self.setup.forks and self._fork_server is None:
            self._fork_server = stack.enter_context(ForkServer(plain_environment(), self.folder / "fork-server.log"))
        self.gateway: Child | None = None
        self.gateway_url = ""
        stack.callback(self.kill_gateway)
        self.actors = [self.actor(number) for number in range(self.setup.workers)]
        stack.callback(self.kill_all)

    def link(self, name: str) -> Proxy:
        return self.links[name]

    def actor(self, number: int, **more: str) -> Actor:
        """A worker that is not started yet; `more` are settings of its own."""
        bent = self.setup.steps or any(name.startswith("CHAOS_") for name in more)
        argv = (sys.executable, str(HERE / "actor.py")) if bent else (str(BIN / "swapline"), "worker")
        environment = self.environment | ({"CHAOS_OFFSET": str(self.offset)} if bent else {}) | more
        program = Program(
            name=f"worker {number}",
            argv=(*argv, "-n", f"w{number}@%h"),
            env=environment,
            cwd=self.folder,
            log=self.folder / f"worker-{number}.log",
        )
        return Actor(number, self._child(program))

    def batch(self, manifest: Path, name: str) -> Child:
        """A producer of a batch, which is not started yet."""
        arguments = ("batch", "run", str(manifest), "--name", name, "--json")
        return self._command(name, *arguments, CHAOS_CHUNK=str(CHUNK))

    def _command(self, name: str, *arguments: str, **more: str) -> Child:
        """A command of `swapline` that has the ledger's time; `more` are settings of its own."""
        program = Program(
            name=name,
            argv=(sys.executable, str(HERE / "program.py"), *arguments),
            env=self.environment | {"CHAOS_OFFSET": str(self.offset)} | more,
            cwd=self.folder,
            log=self.folder / f"{name}.log",
        )
        return self._child(program)

    def _child(self, program: Program) -> Child:
        return ForkedChild(program, self._fork_server) if self._fork_server is not None else Child(program)

    def start_gateway(self) -> None:
        """Start the gateway at a port of its own each time: while it is down, another program may take the last one."""
        port = free_port()
        self.gateway_url = f"http://127.0.0.1:{port}"
        self.gateway = self._command("gateway", "gateway", "--port", str(port))
        self.gateway.start()

    def kill_gateway(self) -> None:
        """SIGKILL it, if there is one."""
        if self.gateway is not None:
            self.gateway.kill()

    @property
    def environment(self) -> dict[str, str]:
        """The settings of workers, and none of the user's."""
        return plain_environment() | {
            "SWAPLINE_REDIS_URL": self.valkey.url.replace(f":{self.valkey.port}/", f":{self.links['redis'].port}/"),
            "SWAPLINE_KEY_PREFIX": PREFIX,
            "SWAPLINE_LOG_LEVEL": "DEBUG",  # Celery's own lines tell what a worker has in its hands: see actors.py
            "SWAPLINE_LOG_FORMAT": "text",
            "SWAPLINE_STORAGE_URL": self.store.as_uri(),
            "SWAPLINE_API_BASE_URL": f"http://127.0.0.1:{self.links['vendor'].port}",
            "SWAPLINE_API_KEY_HEADER": "X-API-Key",
            "SWAPLINE_WEBHOOK_SECRETS": SECRET,
            "SWAPLINE_WEBHOOK_ALLOW_PRIVATE": "true",
            "SWAPLINE_RESCUE_AFTER": str(self.setup.rescue_after),
            **({} if self.setup.accounts else {"SWAPLINE_MAX_IN_FLIGHT": str(self.setup.slots)}),
            **self.accounts.settings,
            **self.setup.settings,
        }

    def _vendor(self) -> Child:
        ready = self.folder / "vendor.ready"
        setup = self.setup
        arguments = ["simulator", "--port", "0", "--seed", str(setup.seed), "--cap", str(setup.slots)]
        arguments += ["--service-time", setup.service_time, "--results", "small", "--ready-file", str(ready)]
        arguments += ["--result-ttl", "86400"]  # the checker asks for every result when all is over
        arguments += self.accounts.arguments
        program = Program(
            name="vendor",
            argv=(str(BIN / "swapline"), *arguments),
            env=dict(os.environ),
            cwd=self.folder,
            log=self.folder / "vendor.log",
            ready=ready_file_written(ready),
        )
        return Child(program)

    def _producer(self) -> Producer:
        settings = ProducerSettings(
            redis_url=self.valkey.url,
            key_prefix=PREFIX,
            storage_url=self.store.as_uri(),
            webhook_allow_private=True,
        )
        producer = Producer.connect(settings)
        if self.setup.steps:
            replace(producer.ledger.scripts, "_clock", offset_clock(self.offset))
        return producer

    def kill_all(self) -> None:
        """End every worker at once."""
        for actor in self.actors:
            actor.child.kill()

    def stop_all(self) -> None:
        """Continue what was stopped, and ask every worker to end: so that nothing moves any more."""
        for actor in self.actors:
            actor.signal(signal.SIGCONT)
            actor.wanted = False
            actor.child.stop()
