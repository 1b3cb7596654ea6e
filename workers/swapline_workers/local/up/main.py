"""`swapline up`, from the first line to the last."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from swapline_producer.cli.terminal import Terminal
from swapline_producer.errors import LedgerUnavailable, SettingsError
from swapline_producer.ledger import Ledger, connect
from swapline_producer.settings import ProducerSettings, load
from swapline_producer.vendors import vendor_of
from swapline_workers.local.death_pipe import shared_death_pipe
from swapline_workers.local.errors import LocalError, PortTaken
from swapline_workers.local.follow import LogFollower
from swapline_workers.local.ports import LOOPBACK, is_free
from swapline_workers.local.supervisor import Backoff, StopRequested, Supervisor
from swapline_workers.local.up.cores import size
from swapline_workers.local.up.folder import occupied
from swapline_workers.local.up.parts import PAGES, Parts
from swapline_workers.local.valkey import EmbeddedValkey
from swapline_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_workers.local.child import Child
    from swapline_workers.local.up.cores import Size
    from swapline_workers.local.up.folder import UpFolder

_TRIES = 8
"""Falls in a row before a part is given up: with the waits between them, a minute or two."""
VITAL = Backoff(tries=_TRIES)
PAGE = Backoff(tries=_TRIES, vital=False)
_LOG_SIZE = 10_000_000
"""Bytes of a log before it is set aside: a day of a busy worker."""
_SIMULATED = {"SWAPLINE_API_KEY": "sim-key", "SWAPLINE_API_KEY_HEADER": "X-API-Key", "SWAPLINE_API_KEY_PREFIX": ""}
"""What the simulator asks for; it opens nothing else."""


@dataclass(frozen=True)
class UpOptions:
    """What the command line asks for."""

    folder: Path
    redis_url: str | None = None
    redis_port: int = 0
    workers: int | None = None
    host: str = LOOPBACK
    ports: Mapping[str, int] = field(default_factory=dict)
    """By the name of the part."""
    without: frozenset[str] = frozenset()
    simulated: bool = False
    adopt: bool = False


def run_up(options: UpOptions) -> None:
    """Run everything until a signal comes. Raises SettingsError or LocalError for what cannot run.

    What the settings or the ports make impossible is said before anything is started.
    """
    pages = {name: options.ports[name] for name in PAGES if name not in options.without and PAGES[name].installed}
    settings, embedded = _settings(options)
    with ExitStack() as ends:
        folder, lock = ends.enter_context(occupied(options.folder))
        shared_death_pipe().keep(lock)  # so that the folder is free exactly when everything of ours has ended
        _check_ports(options, pages)
        console = Terminal(soft_wrap=True)
        sized = size(settings.max_in_flight, workers=options.workers)
        names = ["up", *_names(options, pages, sized, embedded=embedded)]
        follower = LogFollower(console, {}, names=names, keep_under=_LOG_SIZE)
        ends.enter_context(follower)
        supervisor = ends.enter_context(Supervisor(tell=follower.say))
        run = _Run(options, folder, settings, supervisor, follower)
        with suppress(StopRequested):
            try:
                run.start(pages, sized, embedded=embedded)
                supervisor.run()
            except StopRequested:
                follower.say(
                    f"Stopping: workers finish what they have in hand, for {settings.stop_grace:g} s at most. "
                    "A second signal hurries them, a third kills them."
                )
                _notify("STOPPING=1")
        supervisor.stop()
        follower.stop()
        follower.say("Everything has stopped; all data are kept.")


class _Run:
    """Starts the parts in the order in which they need each other."""

    def __init__(
        self,
        options: UpOptions,
        folder: UpFolder,
        settings: WorkerSettings,
        supervisor: Supervisor,
        follower: LogFollower,
    ) -> None:
        self._wishes = options
        self._place = folder
        self._settings = settings
        self._supervisor = supervisor
        self._follower = follower
        own = {"SWAPLINE_STORAGE_URL": settings.storage_url}
        if "input_shown" not in settings.model_fields_set:
            own["SWAPLINE_INPUT_SHOWN"] = "3600"  # an hour in which people can compare inputs with results on the board
        if "log_format" not in settings.model_fields_set:
            own["SWAPLINE_LOG_FORMAT"] = "text"  # people read what is printed here, and a pipe is no reason for JSON
        self._parts = Parts(folder, own, host=options.host)
        self._shared = {
            "SWAPLINE_STORAGE_URL": settings.storage_url,
            "SWAPLINE_KEY_PREFIX": settings.key_prefix,
        }
        if settings.webhook_allow_private:  # whoever enqueues refuses what the workers would not post
            self._shared["SWAPLINE_WEBHOOK_ALLOW_PRIVATE"] = "true"

    def start(self, pages: Mapping[str, int], sized: Size, *, embedded: bool) -> None:
        redis_url = self._start_redis() if embedded else self._check_redis()
        self._parts.add({"SWAPLINE_REDIS_URL": redis_url})
        base_url = self._start_simulator() if self._wishes.simulated else self._settings.api_base_url
        self._check_vendor(redis_url, base_url)
        for name in self._wishes.ports.keys() & PAGES.keys() - self._wishes.without - pages.keys():
            self._follower.say(f"{name} is not installed here; everything else runs without it.")
        if "flower" in pages:
            self._share({"SWAPLINE_FLOWER_URL": f"http://{LOOPBACK}:{pages['flower']}"})
        self._supervisor.start_group(
            [(self._followed(self._parts.page(PAGES[name], port)), PAGE) for name, port in pages.items()]
        )
        grace = self._settings.stop_grace
        numbers = range(1, sized.workers + 1)
        self._supervisor.start_group(
            [(self._followed(self._parts.worker(n, sized.threads, grace=grace)), VITAL) for n in numbers]
        )
        self._say_what_runs(pages, sized)
        _notify("READY=1")

    def _start_redis(self) -> str:
        server = EmbeddedValkey(self._place.redis, port=self._wishes.redis_port)
        self._follower.follow("valkey", server.log)
        self._supervisor.start(server, restart=VITAL)
        self._share({"SWAPLINE_REDIS_URL": server.url})
        return server.url

    def _check_redis(self) -> str:
        """Ask a server of the user's own once: a wrong password is said now; one that is away is waited for."""
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
            self._follower.say(f"The Redis server does not answer yet ({error}); workers wait for it.")
        return url

    def _check_vendor(self, redis_url: str, base_url: str) -> None:
        """Say now what each worker would say. Raises WrongOwner, NotPossible."""
        with (
            connect(redis_url, timeout=3.0) as client,
            suppress(LedgerUnavailable),
        ):  # workers wait for one that is away
            ledger = Ledger(client, self._settings.key_prefix)
            vendor = vendor_of(base_url, ledger)
            if self._wishes.adopt:
                ledger.adopt(vendor)
            ledger.join(vendor)

    def _start_simulator(self) -> str:
        cap = self._settings.max_in_flight
        child = self._followed(self._parts.simulator(self._wishes.ports["simulator"], cap))
        self._supervisor.start(child, restart=VITAL)
        url = self._parts.url("simulator")
        vendor = {**_SIMULATED, "SWAPLINE_API_BASE_URL": url}
        self._parts.add(vendor)
        self._share(vendor)  # it opens nothing, and `swapline doctor` asks for it
        return url

    def _followed(self, child: Child) -> Child:
        self._follower.follow(child.name, child.log)
        return child

    def _share(self, settings: Mapping[str, str]) -> None:
        """Tell commands in other terminals."""
        self._shared |= settings
        self._place.write_env(self._shared)

    def _say_what_runs(self, pages: Mapping[str, int], sized: Size) -> None:
        host = LOOPBACK if self._wishes.host in {"0.0.0.0", "::"} else self._wishes.host  # noqa: S104 -- compared only
        say = self._follower.say
        workers = "1 worker" if sized.workers == 1 else f"{sized.workers} workers"
        cores = "1 core" if sized.cores == 1 else f"{sized.cores} cores"
        say(f"Everything runs: {workers} of {sized.threads} threads, on {cores}.")
        for name, port in pages.items():
            page = PAGES[name]
            secret = near(self._place.secret(name))
            say(f"{name}: http://{host}:{port} ({page.what}); user {page.user}, password in {secret}")
        if self._wishes.simulated:
            say(f"The vendor is simulated: {self._parts.url('simulator')}/_control/page")
            say(f"Its jobs and pictures lie in {near(self._place.root)}, apart from those of a real vendor.")
        say(f"From another terminal: set -a; . {near(self._place.env)}; swapline enqueue me.jpg --gender female …")


def _settings(options: UpOptions) -> tuple[WorkerSettings, bool]:
    """All settings, checked before anything starts; and whether the embedded server is wanted.

    The simulator works on nothing that is the user's own: neither on the server nor on the store of the settings.
    """
    given: dict[str, str] = {} if options.redis_url is None else {"redis_url": options.redis_url}
    users = load(ProducerSettings, **given)
    embedded = options.redis_url is None and (options.simulated or "redis_url" not in users.model_fields_set)
    if options.simulated or users.storage_url is None:
        given["storage_url"] = (options.folder.absolute() / "store").as_uri()
    if options.simulated:
        given |= {"api_base_url": "http://simulated", "api_key": "simulated", "api_key_header": "X-API-Key"}
    try:
        return load(WorkerSettings, **given), embedded
    except SettingsError as error:
        hint = "" if options.simulated else "\nTo try everything without a vendor: swapline up --simulated"
        raise SettingsError(f"{error}{hint}") from None


def _check_ports(options: UpOptions, pages: Mapping[str, int]) -> None:
    """Raise PortTaken for a port that somebody else has, or that is wanted twice."""
    wanted = dict(pages) | ({"simulator": options.ports["simulator"]} if options.simulated else {})
    if options.redis_port:
        wanted["redis"] = options.redis_port
    for name, port in wanted.items():
        twice = [other for other in wanted if other != name and wanted[other] == port]
        if twice or not is_free(port, host=options.host if name in pages else LOOPBACK):
            owner = f"is wanted for {twice[0]}, too" if twice else "belongs to somebody else"
            raise PortTaken(
                f"Port {port}, for {name}, {owner}; choose another with --{name}-port"
                + (f", or do without: --without {name}." if name in PAGES else ".")
            )


def _names(options: UpOptions, pages: Mapping[str, int], sized: Size, *, embedded: bool) -> list[str]:
    workers = [f"worker-{number}" for number in range(1, sized.workers + 1)]
    return ["valkey"] * embedded + ["simulator"] * options.simulated + [*pages, *workers]


def near(path: Path) -> str:
    """The path as someone standing here would write it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _notify(state: str) -> None:
    """Tell systemd, where it has started us with Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to, suppress(OSError):
            to.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)
