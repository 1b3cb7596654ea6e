"""The services that the demo starts, each a child with an environment of its own and nothing of the user's settings."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_producer.settings import ProducerSettings
from swapline_producer.webhooks.signing import new_secret
from swapline_workers.local.child import Child, Program
from swapline_workers.local.errors import LocalError
from swapline_workers.local.ports import LOOPBACK, free_port
from swapline_workers.local.ready import answers, ready_facts, said, wrote
from swapline_workers.local.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_workers.local.demo.folder import DemoFolder
    from swapline_workers.local.supervisor import Supervisor

_NEEDED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that a child gets of the user's environment: neither SWAPLINE_*, FLOWER_* and CELERY_*, nor a proxy that would
stand between parts on loopback."""
_SERVICE_TIME = "lognormal:3,0.4"
"""Seconds that the simulated vendor takes: long enough to watch, short enough to wait for."""
_SLOTS = "3"
"""The basic plan's."""
_KEY_HEADER, _KEY = "X-API-Key", "demo-key"
"""For the simulated vendor; it opens nothing else."""
_FLOWER_USER = "swapline"
_FLOWER_CONFIG = Path(__file__).parents[4] / "ops" / "flower" / "flowerconfig.py"
_SWAPLINE = (sys.executable, "-P", "-c", "from swapline_producer.cli import main; main()")
"""The `swapline` command under this very interpreter, wherever its script was installed."""


@dataclass(frozen=True)
class Stage:
    """What is up, and how it is reached."""

    settings: ProducerSettings
    vendor_url: str
    webhook_url: str
    flower: Login


@dataclass(frozen=True)
class Login:
    """A page, and who may see it."""

    url: str
    user: str
    password: str


def service_logs(demo_folder: DemoFolder) -> dict[str, Path]:
    """Give the log of every service, by its name, in the order in which they start."""
    return {"valkey": demo_folder.valkey / "valkey.log"} | {
        name: demo_folder.log_of(name) for name in ("simulator", "receiver", "flower", "worker")
    }


class Services:
    """Starts what the demo needs, in the order in which the parts need each other."""

    def __init__(self, demo_folder: DemoFolder, supervisor: Supervisor, tell: Callable[[str], None]) -> None:
        """Draw this run's secrets. `tell` gets the name of each service before it is started."""
        self._place = demo_folder
        self._supervisor = supervisor
        self._tell = tell
        self._webhook_secret = new_secret()

    def start(self) -> Stage:
        """Start everything. Raises LocalError, with the end of its log, for the first that does not come up."""
        redis_url = self._start_valkey()
        vendor_url = self._start_simulator()
        webhook_url = self._start_receiver()
        flower = self._start_flower(redis_url)
        self._start_worker(redis_url, vendor_url)
        # Built, not read: the user's environment and .env are for the user's own system.
        settings = ProducerSettings.model_construct(
            redis_url=redis_url, storage_url=self._place.storage.as_uri(), webhook_allow_private=True
        )
        return Stage(settings, vendor_url, webhook_url, flower)

    def _start_valkey(self) -> str:
        self._tell("valkey")
        valkey = EmbeddedValkey(self._place.valkey)
        self._supervisor.start(valkey)
        return valkey.url

    def _start_simulator(self) -> str:
        options = ("--port", "0", "--cap", _SLOTS, "--key", _KEY, "--key-header", _KEY_HEADER)
        return self._start_listening("simulator", (*_SWAPLINE, "simulator", *options, "--service-time", _SERVICE_TIME))

    def _start_receiver(self) -> str:
        options = ("--port", "0", "--record", str(self._place.record))
        return self._start_listening(
            "receiver",
            (sys.executable, "-P", "-m", "swapline_workers.local.receiver", *options),
            SWAPLINE_WEBHOOK_SECRETS=self._webhook_secret,
        )

    def _start_flower(self, redis_url: str) -> Login:
        if not _FLOWER_CONFIG.exists():
            raise LocalError(f"{_FLOWER_CONFIG} is missing; run the demo from a checkout of Swapline.")
        port = free_port()
        login = Login(f"http://{LOOPBACK}:{port}", _FLOWER_USER, secrets.token_urlsafe(12))
        celery = (sys.executable, "-P", "-m", "celery", "-A", "swapline_workers.entry")
        self._start(
            "flower",
            (*celery, "flower", f"--conf={_FLOWER_CONFIG}", f"--port={port}"),
            answers(f"{login.url}/workers", user=login.user, password=login.password),
            SWAPLINE_REDIS_URL=redis_url,
            FLOWER_BASIC_AUTH=f"{login.user}:{login.password}",
        )
        return login

    def _start_worker(self, redis_url: str, vendor_url: str) -> None:
        self._start(
            "worker",
            (*_SWAPLINE, "worker"),
            said("ready."),
            SWAPLINE_REDIS_URL=redis_url,
            SWAPLINE_LOG_FORMAT="text",  # `--logs` shows them to a person
            SWAPLINE_STORAGE_URL=self._place.storage.as_uri(),
            SWAPLINE_API_BASE_URL=vendor_url,
            SWAPLINE_API_KEY=_KEY,
            SWAPLINE_API_KEY_HEADER=_KEY_HEADER,
            SWAPLINE_MAX_IN_FLIGHT=_SLOTS,
            SWAPLINE_WEBHOOK_SECRETS=self._webhook_secret,
            SWAPLINE_WEBHOOK_ALLOW_PRIVATE="true",
            SWAPLINE_INPUT_SHOWN="3600",  # so that the board shows it beside the result
        )

    def _start_listening(self, name: str, argv: tuple[str, ...], **settings: str) -> str:
        """Start a child that writes a ready file; give the URL in it."""
        ready_file = self._place.root / f"{name}.ready.json"
        self._start(name, (*argv, "--ready-file", str(ready_file)), wrote(ready_file), **settings)
        return str(ready_facts(ready_file)["url"])

    def _start(self, name: str, argv: tuple[str, ...], ready: Callable[[Child], bool], **settings: str) -> None:
        self._tell(name)
        mine = {variable: os.environ[variable] for variable in _NEEDED if variable in os.environ}
        program = Program(
            name=name,
            argv=argv,
            env={**mine, "PYTHONUNBUFFERED": "1", **settings},  # a log that is read live must not wait in a buffer
            cwd=self._place.root,  # where no .env of the user lies
            log=self._place.log_of(name),
            ready=ready,
        )
        self._supervisor.start(Child(program))
