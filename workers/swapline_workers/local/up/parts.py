"""What `swapline up` runs: a table of command lines, each with its settings and the proof that it is ready."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_workers.alive import examine
from swapline_workers.local.child import Child, Program
from swapline_workers.local.ports import LOOPBACK
from swapline_workers.local.ready import answers, ready_facts, wrote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from swapline_workers.local.up.folder import UpFolder

SWAPLINE = (sys.executable, "-P", "-c", "from swapline_producer.cli import main; main()")
"""The `swapline` command under this very interpreter, wherever its script was installed."""

_WORKERS_ONLY = ("API_KEY", "WEBHOOK_SECRETS")
"""Secrets that the pages have no use for: they do not get them."""

_READY_WITHIN = 60.0
"""Seconds: Python with Celery needs about two, and half a minute where everything starts at once on a busy machine."""


@dataclass(frozen=True)
class Page:
    """A part that people or their machines look at with a browser."""

    name: str
    port: int
    """Its usual port."""
    what: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """What tells it who may look; `{user}` and `{password}` are filled in."""
    user: str = "swapline"
    """Who may look; there is one password for each page."""
    host_option: str = "--host"
    asks_at: str | None = None
    """A path that asks for the password: that it does is the proof that it is ours. None: it writes a ready file."""

    @property
    def installed(self) -> bool:
        """Whether there is such a command: the pages are extras."""
        return bool(entry_points(group="swapline.commands", name=self.name))


PAGES = {
    page.name: page
    for page in (
        Page(
            "board",
            5556,
            "jobs, pictures and what went wrong",
            {"SWAPLINE_BOARD_USER": "{user}", "SWAPLINE_BOARD_PASSWORD": "{password}"},
        ),
        Page(
            "metrics",
            9810,
            "for Prometheus",
            {"SWAPLINE_METRICS_PASSWORD": "{password}"},
            user="metrics",
            asks_at="/metrics",
        ),
        Page(
            "flower",
            5555,
            "Celery, live",
            {"FLOWER_BASIC_AUTH": "{user}:{password}"},
            host_option="--address",
            asks_at="/workers",
        ),
    )
}


class Parts:
    """Makes the children of one `up`."""

    def __init__(self, folder: UpFolder, settings: Mapping[str, str], *, host: str = LOOPBACK) -> None:
        """`settings` are laid over those of the user for every part; pages listen on `host`."""
        self._place = folder
        self._settings = dict(settings)
        self._host = host

    def add(self, settings: Mapping[str, str]) -> None:
        """Lay more settings over those of the user, for parts that are made from now on."""
        self._settings |= settings

    def simulator(self, port: int, cap: int) -> Child:
        """The vendor, simulated."""
        options = ("--port", str(port), "--cap", str(cap))
        return self._listening("simulator", ("simulator", *options), secrets=False)

    def url(self, name: str) -> str:
        """Where a part that has started listens."""
        return str(ready_facts(self._place.shown(f"{name}.json"))["url"])

    def page(self, page: Page, port: int) -> Child:
        """A page."""
        password = self._place.password(page.name)
        login = {name: text.format(user=page.user, password=password) for name, text in page.settings.items()}
        argv = (page.name, f"{page.host_option}={self._host}", f"--port={port}")
        if page.asks_at is None:
            return self._listening(page.name, argv, login)
        url = f"http://{LOOPBACK}:{port}{page.asks_at}"
        return self._child(page.name, argv, answers(url, user=page.user, password=password), login)

    def worker(self, number: int, threads: int, *, grace: float) -> Child:
        """A worker with all steps."""
        name, heartbeat = f"worker-{number}", self._place.shown(f"worker-{number}.heartbeat")
        argv = ("worker", "-n", f"{name}@%h", "-c", str(threads))
        return self._child(
            name,
            argv,
            lambda child: _pid_in(heartbeat) == child.pid,
            {"SWAPLINE_HEARTBEAT_FILE": str(heartbeat)},
            secrets=True,
            stop_within=grace + 10,  # seconds: what Celery needs beside what the worker's jobs do
            complaint=lambda _child: examine(heartbeat)[1],
        )

    def _listening(
        self, name: str, argv: tuple[str, ...], login: Mapping[str, str] | None = None, *, secrets: bool = False
    ) -> Child:
        ready_file = self._place.shown(f"{name}.json")
        return self._child(
            name, (*argv, "--ready-file", str(ready_file)), wrote(ready_file), login or {}, secrets=secrets
        )

    def _child(
        self,
        name: str,
        argv: tuple[str, ...],
        ready: Callable[[Child], bool],
        own: Mapping[str, str],
        *,
        secrets: bool = False,
        stop_within: float = 10,
        complaint: Callable[[Child], str | None] | None = None,
    ) -> Child:
        return Child(
            Program(
                name=name,
                argv=(*SWAPLINE, *argv),
                env=environment(os.environ, {**self._settings, **own}, secrets=secrets),
                cwd=Path.cwd(),  # the user's: a .env that lies there is read by each part, and paths mean the same
                log=self._place.log(name),
                ready=ready,
                ready_within=_READY_WITHIN,
                stop_within=stop_within,
                complaint=complaint,
            )
        )


def environment(base: Mapping[str, str], own: Mapping[str, str], *, secrets: bool) -> dict[str, str]:
    """A part's environment: the user's, with `own` laid over it, and without secrets that are not for it."""
    not_for_it = {f"SWAPLINE_{name}" for name in (() if secrets else _WORKERS_ONLY)} | {*own, "NOTIFY_SOCKET"}
    dropped = not_for_it | {f"{name}_FILE" for name in not_for_it}
    mine = {name: value for name, value in base.items() if name not in dropped}
    return {**mine, "PYTHONUNBUFFERED": "1", **own}  # a log that is read live must not wait in a buffer


def _pid_in(heartbeat: Path) -> int | None:
    liveness, _ = examine(heartbeat)
    return None if liveness is None else liveness.pid
