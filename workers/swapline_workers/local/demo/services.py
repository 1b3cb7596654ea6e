"""The demo's services, with settings of their own and none of the user's."""

from __future__ import annotations

import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_producer.settings import ProducerSettings
from swapline_producer.webhooks.signing import new_secret
from swapline_workers.local.ports import LOOPBACK, free_port
from swapline_workers.local.ready import log_has, login_works, read_ready_file, ready_file_written
from swapline_workers.local.supervision.child import SWAPLINE, Child, Program
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_workers.local.demo.folder import DemoFolder
    from swapline_workers.local.supervision.supervisor import Supervisor

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables that a child gets: SWAPLINE_*, FLOWER_* and CELERY_* would break the demo."""
_SERVICE_TIME = "lognormal:3,0.4"
"""Seconds of the simulated vendor: median 3."""
_SLOTS = "3"
"""The basic plan's."""
_KEY_HEADER, _KEY = "X-API-Key", "demo-key"
_FLOWER_USER = "swapline"
_FLOWER_CONFIG = Path(__file__).parents[2] / "web" / "flowerconfig.py"


@dataclass(frozen=True)
class DemoEndpoints:
    """The addresses of the running services."""

    settings: ProducerSettings
    vendor_url: str
    webhook_url: str
    flower_url: str
    flower_login: tuple[str, str]
    """User and password."""


def service_logs(demo_folder: DemoFolder) -> dict[str, Path]:
    """Return each service's log, in starting order."""
    return {"valkey": demo_folder.valkey / "valkey.log"} | {
        name: demo_folder.log(name) for name in ("simulator", "receiver", "flower", "worker")
    }


class DemoServices:
    """Starts the demo's services."""

    def __init__(self, demo_folder: DemoFolder, supervisor: Supervisor, report: Callable[[str], None]) -> None:
        """`report` gets each service's name before it starts."""
        self._folder = demo_folder
        self._supervisor = supervisor
        self._report = report
        self._webhook_secret = new_secret()

    def start(self) -> DemoEndpoints:
        """Start everything. Raises LocalError with the log's end."""
        redis_url = self._start_valkey()
        vendor_url = self._start_simulator()
        webhook_url = self._start_receiver()
        flower_url, login = self._start_flower(redis_url)
        self._start_worker(redis_url, vendor_url)
        # Constructed, not loaded: the user's environment and .env are for another system.
        settings = ProducerSettings.model_construct(
            redis_url=redis_url, storage_url=self._folder.storage.as_uri(), webhook_allow_private=True
        )
        return DemoEndpoints(settings, vendor_url, webhook_url, flower_url, login)

    def _start_valkey(self) -> str:
        self._report("valkey")
        valkey = EmbeddedValkey(self._folder.valkey)
        self._supervisor.start(valkey)
        return valkey.url

    def _start_simulator(self) -> str:
        options = ("--cap", _SLOTS, "--key", _KEY, "--key-header", _KEY_HEADER, "--service-time", _SERVICE_TIME)
        return self._start_listening("simulator", (*SWAPLINE, "simulator", *options))

    def _start_receiver(self) -> str:
        argv = (
            sys.executable,
            "-P",
            "-m",
            "swapline_workers.local.demo.receiver",
            "--record",
            str(self._folder.record),
        )
        return self._start_listening("receiver", argv, SWAPLINE_WEBHOOK_SECRETS=self._webhook_secret)

    def _start_flower(self, redis_url: str) -> tuple[str, tuple[str, str]]:
        port = free_port()
        url, user, password = f"http://{LOOPBACK}:{port}", _FLOWER_USER, secrets.token_urlsafe(12)
        celery = (sys.executable, "-P", "-m", "celery", "-A", "swapline_workers.entry")
        self._start(
            "flower",
            (*celery, "flower", f"--conf={_FLOWER_CONFIG}", f"--port={port}"),
            login_works(f"{url}/workers", user=user, password=password),
            SWAPLINE_REDIS_URL=redis_url,
            FLOWER_BASIC_AUTH=f"{user}:{password}",
        )
        return url, (user, password)

    def _start_worker(self, redis_url: str, vendor_url: str) -> None:
        self._start(
            "worker",
            (*SWAPLINE, "worker"),
            log_has("ready."),
            SWAPLINE_REDIS_URL=redis_url,
            SWAPLINE_LOG_FORMAT="text",  # `--logs` prints them
            SWAPLINE_STORAGE_URL=self._folder.storage.as_uri(),
            SWAPLINE_API_BASE_URL=vendor_url,
            SWAPLINE_API_KEY=_KEY,
            SWAPLINE_API_KEY_HEADER=_KEY_HEADER,
            SWAPLINE_MAX_IN_FLIGHT=_SLOTS,
            SWAPLINE_WEBHOOK_SECRETS=self._webhook_secret,
            SWAPLINE_WEBHOOK_ALLOW_PRIVATE="true",
            SWAPLINE_VARIANTS="web.webp:1200,thumb.jpg:320:80:1/1",
            SWAPLINE_INPUT_SHOWN="3600",  # the board compares inputs with results for an hour
        )

    def _start_listening(self, name: str, argv: tuple[str, ...], **settings: str) -> str:
        ready_file = self._folder.root / f"{name}.ready.json"
        options = ("--port", "0", "--ready-file", str(ready_file))
        self._start(name, (*argv, *options), ready_file_written(ready_file), **settings)
        return str(read_ready_file(ready_file)["url"])

    def _start(self, name: str, argv: tuple[str, ...], ready: Callable[[Child], bool], **settings: str) -> None:
        self._report(name)
        inherited = {variable: os.environ[variable] for variable in _INHERITED if variable in os.environ}
        program = Program(
            name=name,
            argv=argv,
            env={**inherited, "PYTHONUNBUFFERED": "1", **settings},  # unbuffered: the log is read live
            cwd=self._folder.root,  # has no .env of the user
            log=self._folder.log(name),
            ready=ready,
        )
        self._supervisor.start(Child(program))
