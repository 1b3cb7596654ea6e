"""A process that has loaded our packages, and forks a child for each command that it is asked for: see `processes.py`.

A program: its children go on as the command, in this very module, and end as any Python program does.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKER = (
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "kombu.transport.redis",
    "swapline_workers.celery_app",
    "swapline_workers.dispatch.command",
    "swapline_workers.dispatch.worker",
    "swapline_workers.runtime.bootstrap",
    "swapline_workers.telemetry.logs",
)
"""`swapline_workers.entry` is not among them: it reads settings."""
LOADED = {
    "": ("swapline_producer.cli", "swapline_producer.producer", "swapline_producer.settings"),
    "swapline worker": WORKER,
    "celery -A": WORKER,
    "swapline board": ("swapline_workers.board.app", "swapline_workers.web.connections", "uvicorn"),
    "swapline gateway": ("swapline_gateway.app", "swapline_gateway.server"),
    "swapline metrics": ("swapline_workers.telemetry.metrics.collector", "swapline_workers.telemetry.metrics.serving"),
}
"""The first words of a command -> what is loaded before the first of its children."""

PROGRAMS = {"swapline": "swapline_producer.__main__", "celery": "celery.__main__"}
OPEN_FILES = 1024
"""As many as most machines allow."""


def main(control: socket.socket) -> None:
    """Load, fork for each order, and in a child: run it."""
    sys.path[0] = str(Path(sys.executable).parent)  # as a console script has it
    _load("")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, most))
    order = _serve(control)
    if order is not None:
        program = import_module(PROGRAMS[Path(order["argv"][0]).name])
        sys.exit(program.main())


def _load(command: str) -> None:
    for name in LOADED.pop(command, ()):
        import_module(name)
        gc.freeze()  # a collection in a child would copy what is shared


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork for each order until the other end is closed; in a child, give its order."""
    reports: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _report(reports)
        if control.fileno() in ready:
            received = _receive(control)
            if received is None:
                return None
            order, (*files, report) = received
            _load(" ".join((Path(order["argv"][0]).name, *order["argv"][1:2])))
            pid = os.fork()
            if pid == 0:
                control.detach()  # its number is another file's from now on
                _become(order, files)
                return order
            reports[pid] = report
            for file in files:
                os.close(file)
            control.sendall(pid.to_bytes(8, "big"))


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Read an order, and its files: stdin, stdout, stderr, and where its end is reported."""
    head, files, _, _ = socket.recv_fds(control, 8, 4)
    if not head:
        return None
    with control.makefile("rb", buffering=0) as stream:
        length, text = int.from_bytes(head, "big"), b""
        while len(text) < length:
            text += stream.read(length - len(text))
    return json.loads(text), files


def _report(reports: dict[int, int]) -> None:
    """Say of each child that has ended how it did."""
    while reports:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        report = reports.pop(pid)
        with suppress(BrokenPipeError):  # its starter has ended
            os.write(report, status.to_bytes(4, "big"))
        os.close(report)


def _become(order: dict[str, Any], files: Sequence[int]) -> None:
    """Take on what a new process would have been given."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["new_session"]:
        os.setsid()
    for number, (file, name) in enumerate(zip(files, ("stdin", "stdout", "stderr"), strict=True)):
        os.dup2(file, number)
        before = getattr(sys, name)
        how = {"encoding": before.encoding, "errors": before.errors, "buffering": 1 if name == "stderr" else -1}
        stream = open(number, before.mode, closefd=False, **how)  # noqa: SIM115 -- a number, for good
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.closerange(3, OPEN_FILES)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv = order["argv"]


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
