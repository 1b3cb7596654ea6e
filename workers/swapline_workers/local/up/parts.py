"""The parts of `swapline up`: command lines, settings and readiness checks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from swapline_workers.alive import examine
from swapline_workers.local.ports import LOOPBACK
from swapline_workers.local.ready import login_works, read_ready_file, ready_file_written
from swapline_workers.local.supervision.child import SWAPLINE, Child, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from swapline_workers.local.up.folder import UpFolder

_WORKERS_ONLY = ("API_KEY", "WEBHOOK_SECRETS")
"""Secrets that other parts do not get."""

_READY_TIMEOUT_S = 60.0
"""Python with Celery needs 2 s, or 30 if everything starts at once."""


@dataclass(frozen=True)
class Page:
    """Serves HTTP, protected by a password or keys."""

    name: str
    port: int
    description: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """Its login, with `{user}` and `{password}`; none: keys protect it."""
    user: str = "swapline"
    host_option: str = "--host"
    login_path: str | None = None
    """Needs the login; None: the page writes a ready file."""

    @property
    def installed(self) -> bool:
        """Whether its command is installed: pages are extras."""
        return bool(entry_points(group="swapline.commands", name=self.name))


CONSOLE = "console"
"""The file of the board's second password."""

_BOARD_LOGIN = {
    "SWAPLINE_BOARD_USER": "{user}",
    "SWAPLINE_BOARD_PASSWORD": "{password}",
    "SWAPLINE_BOARD_CONSOLE_PASSWORD": "{console}",
}
_METRICS_LOGIN = {"SWAPLINE_METRICS_PASSWORD": "{password}"}
_FLOWER_LOGIN = {"FLOWER_BASIC_AUTH": "{user}:{password}"}
PAGES = {
    page.name: page
    for page in (
        Page("board", 5556, "jobs, pictures and what went wrong", _BOARD_LOGIN),
        Page("metrics", 9810, "for Prometheus", _METRICS_LOGIN, user="metrics", login_path="/metrics"),
        Page("gateway", 8080, "jobs over HTTP"),
        Page("flower", 5555, "Celery, live", _FLOWER_LOGIN, host_option="--address", login_path="/workers"),
    )
}


class Parts:
    """Makes the children of one `up`."""

    def __init__(self, folder: UpFolder, settings: Mapping[str, str], *, host: str = LOOPBACK) -> None:
        """`settings` override the user's; pages listen on `host`."""
        self._folder = folder
        self._settings = dict(settings)
        self._host = host

    def add(self, settings: Mapping[str, str]) -> None:
        """Override more settings, in parts made from now on."""
        self._settings |= settings

    def simulator(self, port: int, cap: int, modes: Iterable[str] = ()) -> Child:
        """Return the simulated vendor."""
        options = (f"--port={port}", f"--cap={cap}", *(f"--mode={mode}" for mode in modes))
        return self._listening("simulator", ("simulator", *options), {})

    def url(self, name: str) -> str:
        """Return the address of a part that is ready."""
        return str(read_ready_file(self._folder.run_file(f"{name}.json"))["url"])

    def page(self, page: Page, port: int) -> Child:
        """Return a page."""
        password = self._folder.password(page.name) if page.settings else ""
        console = self._folder.password(CONSOLE) if page.name == "board" else ""
        login = {
            name: text.format(user=page.user, password=password, console=console)
            for name, text in page.settings.items()
        }
        argv = (page.name, f"{page.host_option}={self._host}", f"--port={port}")
        if page.login_path is None:
            return self._listening(page.name, argv, login)
        url = f"http://{LOOPBACK}:{port}{page.login_path}"
        return Child(self._program(page.name, argv, login_works(url, user=page.user, password=password), login))

    def worker(self, number: int, threads: int, *, grace: float) -> Child:
        """Return a worker with all steps."""
        name, heartbeat = f"worker-{number}", self._folder.run_file(f"worker-{number}.heartbeat")
        program = self._program(
            name,
            ("worker", "-n", f"{name}@%h", "-c", str(threads)),
            lambda child: _pid_of(heartbeat) == child.pid,
            {"SWAPLINE_HEARTBEAT_FILE": str(heartbeat)},
            secrets=True,
        )
        return Child(
            replace(
                program,
                stop_within=grace + 10,  # seconds: Celery's own shutdown after the jobs'
                quick_stop_within=grace + 10,  # it ends by itself as soon as no paid call is under way
                liveness_problem=lambda _child: examine(heartbeat)[1],
            )
        )

    def _listening(self, name: str, argv: tuple[str, ...], own: Mapping[str, str]) -> Child:
        ready_file = self._folder.run_file(f"{name}.json")
        argv = (*argv, "--ready-file", str(ready_file))
        return Child(self._program(name, argv, ready_file_written(ready_file), own))

    def _program(
        self,
        name: str,
        argv: tuple[str, ...],
        ready: Callable[[Child], bool],
        own: Mapping[str, str],
        *,
        secrets: bool = False,
    ) -> Program:
        return Program(
            name=name,
            argv=(*SWAPLINE, *argv),
            env=environment(os.environ, {**self._settings, **own}, secrets=secrets),
            cwd=Path.cwd(),  # the user's: for its .env and relative paths
            log=self._folder.log(name),
            ready=ready,
            ready_within=_READY_TIMEOUT_S,
        )


def environment(base: Mapping[str, str], own: Mapping[str, str], *, secrets: bool) -> dict[str, str]:
    """Return `base` with `own` on top; workers' secrets only with `secrets`."""
    removed = {f"SWAPLINE_{name}" for name in (() if secrets else _WORKERS_ONLY)} | {*own, "NOTIFY_SOCKET"}
    removed |= {f"{name}_FILE" for name in removed}
    inherited = {name: value for name, value in base.items() if name not in removed}
    return {**inherited, "PYTHONUNBUFFERED": "1", **own}  # unbuffered: the log is read live


def _pid_of(heartbeat: Path) -> int | None:
    liveness, _ = examine(heartbeat)
    return None if liveness is None else liveness.pid
