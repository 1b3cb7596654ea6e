"""Processes of a fork server, with the face of a `Child`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from swapline_workers.local.supervision.child import Child

if TYPE_CHECKING:
    from collections.abc import Collection

    from swapline_workers.local.supervision.child import Program

SERVER = Path(__file__).with_name("fork_server.py")
REPLY_WITHIN_S = 600
CHECK_INTERVAL_S = 0.02


class ForkServer:
    """A context manager. May be used from several threads."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._env, self._log = env, log
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(REPLY_WITHIN_S)
        with theirs, self._log.open("ab") as log:
            command = [sys.executable, str(SERVER), str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, env=self._env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._socket.recv(100)  # it has loaded all modules
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.wait()

    def ask(self, **asked: Any) -> Any:
        """Ask, and return the answer."""
        with self._lock:
            self._socket.send(json.dumps(asked).encode())
            return json.loads(self._socket.recv(1000))


class ForkedChild(Child):
    """A process of the fork server; its program's arguments begin with the interpreter and the role's script."""

    def __init__(self, program: Program, server: ForkServer) -> None:
        super().__init__(program)
        self._server = server
        self._runs = False
        self._lock_of_end = threading.Lock()

    def launch(self, *, pass_fds: Collection[int] = ()) -> None:
        """Start without waiting."""
        assert not pass_fds
        _, script, *arguments = self.program.argv
        log = self.program.log
        self._log_offset = log.stat().st_size if log.exists() else 0
        asked = {"env": dict(self.program.env), "cwd": str(self.program.cwd), "log": str(log)}
        self.pid = self._server.ask(role=Path(script).stem, arguments=arguments, **asked)
        self._runs = True

    def poll(self) -> int | None:
        """Return None while it runs, else the exit code (negative: a signal)."""
        with self._lock_of_end:
            if self._runs:
                code = self._server.ask(pid=self.pid, wait=False)
                if code is None:
                    return None
                self._exit_code, self._runs = code, False
            return self._exit_code

    def request_stop(self) -> None:
        """Send SIGTERM without waiting."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after `stop_within`. Idempotent."""
        self.request_stop()
        give_up_at = time.monotonic() + self.program.stop_within
        while self.poll() is None and time.monotonic() < give_up_at:
            time.sleep(CHECK_INTERVAL_S)
        self.kill()

    def kill(self) -> None:
        """Kill the whole group."""
        with self._lock_of_end:
            if self._runs:
                self._signal(signal.SIGKILL)
                self._exit_code, self._runs = self._server.ask(pid=self.pid, wait=True), False

    def _signal(self, number: int) -> None:
        """Send a signal to the group; it is its leader's until that was waited for."""
        if self._runs and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
