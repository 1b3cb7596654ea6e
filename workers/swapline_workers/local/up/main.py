"""Run `swapline up`."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from pydantic import SecretStr

from swapline_producer.errors import LedgerUnavailable
from swapline_producer.ledger import Ledger, connect
from swapline_producer.operations.account_settings import accounts_source
from swapline_producer.operations.vendors import vendor_of
from swapline_producer.terminal.console import Terminal
from swapline_workers.local.errors import LocalError
from swapline_workers.local.folder import display_path
from swapline_workers.local.follow import LogFollower
from swapline_workers.local.ports import LOOPBACK
from swapline_workers.local.supervision.death_pipe import shared_death_pipe
from swapline_workers.local.supervision.supervisor import Backoff, StopRequested, Supervisor
from swapline_workers.local.up.cores import size
from swapline_workers.local.up.folder import up_folder
from swapline_workers.local.up.options import check_ports, load_settings
from swapline_workers.local.up.parts import CONSOLE, PAGES, Parts
from swapline_workers.local.valkey.server import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_workers.local.supervision.child import Child
    from swapline_workers.local.up.cores import Size
    from swapline_workers.local.up.folder import UpFolder
    from swapline_workers.local.up.options import UpOptions
    from swapline_workers.settings import WorkerSettings

_MAX_RESTARTS = 8
"""In a row: a minute or two."""
_VITAL = Backoff(max_restarts=_MAX_RESTARTS)
_PAGE = Backoff(max_restarts=_MAX_RESTARTS, vital=False)
_MAX_LOG_BYTES = 10_000_000
"""A day of a busy worker."""
_SIMULATED = {"SWAPLINE_API_KEY": "sim-key", "SWAPLINE_API_KEY_HEADER": "X-API-Key", "SWAPLINE_API_KEY_PREFIX": ""}


def run_up(options: UpOptions) -> None:
    """Run everything until a signal. Raises SettingsError or LocalError."""
    settings, embedded = load_settings(options)
    with ExitStack() as stack:
        folder, lock = stack.enter_context(up_folder(options.folder))
        shared_death_pipe().inherit(lock)  # the folder is free only once all our children have ended
        check_ports(options)
        console = Terminal(soft_wrap=True)
        sized = size(settings.max_in_flight, workers=options.workers)
        names = ["up", *_names(options, sized, embedded=embedded)]
        follower = LogFollower(console, {}, names=names, max_log_bytes=_MAX_LOG_BYTES)
        stack.enter_context(follower)
        supervisor = stack.enter_context(Supervisor(report=follower.report))
        run = _UpRun(options, folder, settings, supervisor, follower)
        try:
            run.start(sized, embedded=embedded)
            supervisor.run()
        except StopRequested:
            follower.report(
                f"Stopping: workers finish the work in progress, for {settings.stop_grace:g} s at most. "
                "A second signal has them finish paid calls only, a third kills them."
            )
            _notify_systemd("STOPPING=1")
        supervisor.stop()
        follower.stop()
        follower.report("Everything has stopped; all data are kept.")


class _UpRun:
    def __init__(
        self,
        options: UpOptions,
        folder: UpFolder,
        settings: WorkerSettings,
        supervisor: Supervisor,
        follower: LogFollower,
    ) -> None:
        self._options = options
        self._folder = folder
        self._settings = settings
        self._supervisor = supervisor
        self._follower = follower
        own = {"SWAPLINE_STORAGE_URL": settings.storage_url}
        if "input_shown" not in settings.model_fields_set:
            own["SWAPLINE_INPUT_SHOWN"] = "3600"  # the board compares inputs with results for an hour
        if "log_format" not in settings.model_fields_set:
            own["SWAPLINE_LOG_FORMAT"] = "text"  # logs are printed here, also into a pipe
        self._parts = Parts(folder, own, host=options.host)
        self._shared = {
            "SWAPLINE_STORAGE_URL": settings.storage_url,
            "SWAPLINE_KEY_PREFIX": settings.key_prefix,
        }
        if settings.webhook_allow_private:  # `enqueue` refuses what the workers would not post
            self._shared["SWAPLINE_WEBHOOK_ALLOW_PRIVATE"] = "true"

    def start(self, sized: Size, *, embedded: bool) -> None:
        pages = self._options.pages
        redis_url = self._start_redis() if embedded else self._check_redis()
        self._parts.add({"SWAPLINE_REDIS_URL": redis_url})
        if self._options.simulated:
            self._start_simulator()
        self._check_vendor(redis_url)
        for name in self._options.ports.keys() & PAGES.keys() - self._options.without - pages.keys():
            self._follower.report(f"{name} is not installed here; everything else runs without it.")
        if "flower" in pages:
            self._share({"SWAPLINE_FLOWER_URL": f"http://{LOOPBACK}:{pages['flower']}"})
        self._supervisor.start_group(
            [(self._follow(self._parts.page(PAGES[name], port)), _PAGE) for name, port in pages.items()]
        )
        grace = self._settings.stop_grace
        numbers = range(1, sized.workers + 1)
        self._supervisor.start_group(
            [(self._follow(self._parts.worker(n, sized.threads, grace=grace)), _VITAL) for n in numbers]
        )
        self._report_parts(pages, sized)
        _notify_systemd("READY=1")

    def _start_redis(self) -> str:
        server = EmbeddedValkey(self._folder.redis, port=self._options.redis_port)
        self._supervisor.start(self._follow(server), restart=_VITAL)
        self._share({"SWAPLINE_REDIS_URL": server.url})
        return server.url

    def _check_redis(self) -> str:
        """Report a wrong password now; workers wait for an unavailable server."""
        url = self._settings.redis_url
        self._share({"SWAPLINE_REDIS_URL": url})
        try:
            with connect(url, timeout=3.0) as client:
                client.ping()
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise LocalError(
                f"The Redis server refuses us: {str(error).rstrip('.')}. Correct SWAPLINE_REDIS_URL."
            ) from None
        except redis.RedisError as error:
            self._follower.report(f"The Redis server does not answer yet ({error}); workers wait for it.")
        return url

    def _check_vendor(self, redis_url: str) -> None:
        """Raise WrongOwner or NotPossible now; workers wait for an unavailable ledger."""
        with connect(redis_url, timeout=3.0) as client, suppress(LedgerUnavailable):
            ledger = Ledger(client, self._settings.key_prefix)
            source = accounts_source(self._settings)
            if source is not None:
                vendors = {name: vendor_of(one, ledger, account=name) for name, one in source.read().items()}
                ledger.workers.join_accounts(vendors)
                return
            vendor = vendor_of(self._settings, ledger)
            if self._options.adopt:
                ledger.accounts.adopt(vendor)
            ledger.workers.join(vendor)

    def _start_simulator(self) -> None:
        cap = self._settings.max_in_flight
        child = self._follow(self._parts.simulator(self._options.ports["simulator"], cap, self._options.modes))
        self._supervisor.start(child, restart=_VITAL)
        vendor = {**_SIMULATED, "SWAPLINE_API_BASE_URL": self._parts.url("simulator")}
        self._parts.add(vendor)
        self._share(vendor)  # not a secret, and `swapline doctor` needs it
        mine = {"api_base_url": vendor["SWAPLINE_API_BASE_URL"], "api_key": SecretStr(vendor["SWAPLINE_API_KEY"])}
        self._settings = self._settings.model_copy(update=mine)

    def _follow(self, child: Child) -> Child:
        self._follower.follow(child.name, child.log)
        return child

    def _share(self, settings: Mapping[str, str]) -> None:
        self._shared |= settings
        self._folder.write_env(self._shared)

    def _report_parts(self, pages: Mapping[str, int], sized: Size) -> None:
        host = LOOPBACK if self._options.host in {"0.0.0.0", "::"} else self._options.host  # noqa: S104 -- compared
        report = self._follower.report
        workers = "1 worker" if sized.workers == 1 else f"{sized.workers} workers"
        cores = "1 core" if sized.cores == 1 else f"{sized.cores} cores"
        report(f"Everything runs: {workers} of {sized.threads} threads, on {cores}.")
        for name, port in pages.items():
            page = PAGES[name]
            secret = display_path(self._folder.secret(name))
            login = f"user {page.user}, password in {secret}" if page.settings else "`swapline keys create` makes a key"
            report(f"{name}: http://{host}:{port} ({page.description}); {login}")
            if name == "board":
                secret = display_path(self._folder.secret(CONSOLE))
                report(f"To decide on the board, in its console: the password in {secret}")
        if self._options.simulated:
            report(f"The vendor is simulated: {self._parts.url('simulator')}/_control/page")
            report(
                f"Its jobs and pictures lie in {display_path(self._folder.root)}, apart from those of a real vendor."
            )
        report(f"From another terminal: {self._example()}")

    def _example(self) -> str:
        """Return a command for any shell and folder, which spends nothing with a real vendor."""
        swapline = Path(sys.executable).with_name("swapline")
        command = [str(swapline)] if swapline.exists() else [sys.executable, "-m", "swapline_producer"]
        if self._options.simulated:
            command += ["enqueue", str(self._folder.example_photograph()), "--gender", "female", "--filter-id", "12"]
            command.append("--wait")
        else:
            command.append("slots")
        return f"set -a; . {shlex.quote(str(self._folder.env))}; set +a; {shlex.join(command)}"


def _names(options: UpOptions, sized: Size, *, embedded: bool) -> list[str]:
    workers = [f"worker-{number}" for number in range(1, sized.workers + 1)]
    return ["valkey"] * embedded + ["simulator"] * options.simulated + [*options.pages, *workers]


def _notify_systemd(state: str) -> None:
    """Send the state to systemd, if it started us with Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to, suppress(OSError):
            to.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)
