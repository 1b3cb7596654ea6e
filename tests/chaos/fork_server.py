"""A process that has loaded the modules of the product and forks a worker, gateway or producer when it is asked to.

Loading them takes nine tenths of a start's processor time; each process is one of its own all the same, in a group of
its own, with its own settings, and dies of its own SIGKILL. Run as a script with the descriptor of a socket.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from chaos import actor, program

MODULES = (
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "celery.worker.worker",
    "kombu.transport.redis",
    "obstore.store",
    "swapline_gateway.app",
    "swapline_gateway.cli",
    "swapline_gateway.server",
    "swapline_gateway.service",
    "swapline_gateway.settings",
    "swapline_producer.cli",
    "swapline_producer.cli.batches",
    "swapline_producer.producer",
    "swapline_producer.storage.local",
    "swapline_workers.celery_app",
    "swapline_workers.cli",
    "swapline_workers.dispatch.command",
    "swapline_workers.dispatch.consumer",
    "swapline_workers.settings",
)
"""None of them reads a setting, opens a connection or starts a thread when it is loaded."""
ROLES = {"actor": actor.main, "program": program.main}


def main() -> None:
    """Fork until the other end of the socket is closed; then end all that is left."""
    for name in MODULES:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a process with threads must not be forked"
    gc.freeze()
    requests = socket.socket(fileno=int(sys.argv[1]))
    alive: set[int] = set()
    requests.send(b"{}")
    while request := requests.recv(1 << 20):
        asked = json.loads(request)
        requests.send(json.dumps(_spawn(asked, requests, alive) if "role" in asked else _ended(asked, alive)).encode())
    for pid in alive:
        os.killpg(pid, signal.SIGKILL)


def _spawn(asked: dict[str, Any], requests: socket.socket, alive: set[int]) -> int:
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        requests.close()
        os._exit(_run(asked))
    with contextlib.suppress(PermissionError):  # it has done so itself, and more
        os.setpgid(pid, pid)  # before anyone can signal its group
    alive.add(pid)
    return pid


def _ended(asked: dict[str, Any], alive: set[int]) -> int | None:
    """The exit code of a process that has ended, None of another. Its number is not used again before."""
    pid, status = os.waitpid(asked["pid"], 0 if asked["wait"] else os.WNOHANG)
    if not pid:
        return None
    alive.discard(pid)
    return os.waitstatus_to_exitcode(status)


def _run(asked: dict[str, Any]) -> int:
    """Be the process that was asked for."""
    code = 1
    try:
        _enter(asked)
        ROLES[asked["role"]]()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 -- as the interpreter does
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _enter(asked: dict[str, Any]) -> None:
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv[:] = [str(Path(__file__).with_name(asked["role"])), *asked["arguments"]]


if __name__ == "__main__":
    main()
