"""Celery's worker program: its pool, options and signals."""

from __future__ import annotations

import logging
import sys
from typing import Any, ClassVar

import click
from billiard.common import REMAP_SIGTERM
from celery.apps import worker as celery_worker
from celery.concurrency import get_implementation
from celery.concurrency.prefork import TaskPool as Processes
from celery.concurrency.thread import TaskPool as Threads
from celery.platforms import EX_USAGE
from celery.platforms import signals as platform_signals
from click.core import ParameterSource

from swapline_workers.dispatch.announcements import Announcements, log_messages
from swapline_workers.dispatch.control import replace_commands

log = logging.getLogger(__name__)

DEFAULT_POOL = "threads"
"""Every step waits for another machine."""

GREENLETS = ("celery.concurrency.gevent", "celery.concurrency.eventlet")

OWN_LIMITS = (
    "each call has its own time limit: set SWAPLINE_SUBMIT_TIMEOUT, SWAPLINE_STATUS_TIMEOUT, SWAPLINE_STORAGE_TIMEOUT "
    "and SWAPLINE_WEBHOOK_TIMEOUT"
)

REFUSED_OPTIONS = {
    "autoscale": "--autoscale does not apply: start as many workers as you need, each with --concurrency",
    "time_limit": f"--time-limit does not apply, it could cut a paid call; {OWN_LIMITS}",
    "soft_time_limit": f"--soft-time-limit does not apply, it could cut a paid call; {OWN_LIMITS}",
}
"""Option -> what to do instead."""

UNUSED_OPTIONS = {
    "max_tasks_per_child": "--max-tasks-per-child applies to -P processes only",
    "max_memory_per_child": "--max-memory-per-child applies to -P processes only",
    "pool_start_method": "--pool-start-method applies to -P processes only",
    "loglevel": "--loglevel does not apply: set SWAPLINE_LOG_LEVEL",
    "optimization": "-O applies to -P processes only",
    "beat": "--beat has nothing to do: all waiting is in the ledger",
}
"""Logged as unused -> what applies."""


class Worker(celery_worker.Worker):
    """Stops as `runtime/shutdown.py` says, whatever the signals' order."""

    pool_cls: Any
    hostname: Any

    stop_signals: ClassVar[dict[str, str]] = {
        "SIGINT": "Warm",
        "SIGTERM": "Cold" if REMAP_SIGTERM == "SIGQUIT" else "Warm",
        "SIGQUIT": "Cold",
    }
    """Signal -> finish within the grace period, or release at once."""

    log_messages = staticmethod(log_messages)

    def __init__(self, app: Any = None, hostname: Any = None, pool: Any = None, **options: Any) -> None:
        """Choose the pool and check the options. Exits with code 64 for a wrong one."""
        given = _given_options(options)
        for name in REFUSED_OPTIONS.keys() & given:
            _exit(REFUSED_OPTIONS[name])
        chosen = self._pool(pool, given)
        if chosen.__module__ in GREENLETS:
            _exit("-P gevent and -P eventlet are not supported: use -P threads, processes or solo")
        if issubclass(chosen, Processes) and options.get("pool_start_method") == "spawn":
            _exit("--pool-start-method spawn is not supported: leave it out, children are forked")
        self._unused = [
            sentence
            for name, sentence in UNUSED_OPTIONS.items()
            if name in given and (name in {"loglevel", "beat"} or not issubclass(chosen, Processes))
        ]
        replace_commands()
        super().__init__(app, hostname, pool=chosen, **options)
        self._announcements = Announcements(self.hostname)

    def _pool(self, pool: Any, given: set[str]) -> Any:
        configured = self.app.conf.worker_pool
        if pool is None or ("pool" not in given and click.get_current_context(silent=True) is not None):
            pool = DEFAULT_POOL if configured == "prefork" else configured
        return get_implementation(pool)

    @property
    def pool_name(self) -> str:
        """The pool as `-P` names it."""
        return "threads" if self.has_threads else "processes" if self.has_processes else "solo"

    @property
    def has_threads(self) -> bool:
        """Whether steps run on threads of this process."""
        return issubclass(self.pool_cls, Threads)

    @property
    def has_processes(self) -> bool:
        """Whether steps run in child processes."""
        return issubclass(self.pool_cls, Processes)

    def on_start(self) -> None:
        """Log which options do not apply."""
        super().on_start()
        for sentence in self._unused:
            log.warning("option unused: %s", sentence)

    def install_platform_tweaks(self, worker: Any) -> None:
        """Install Celery's handlers, but ours for signals that terminate its pool."""
        super().install_platform_tweaks(worker)
        for name, how in self.stop_signals.items():
            platform_signals[name] = self._announcements.handler(name, how)

    @classmethod
    def ignore_stop_signals(cls, **_: object) -> None:
        """Leave stopping to the parent: terminals and systemd signal child processes, too."""
        platform_signals.ignore(*cls.stop_signals)  # type: ignore[arg-type]  # it takes names as well

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:  # noqa: FBT002 -- Celery's
        """Stop, once everybody knows of the signal."""
        self._announcements.join()
        super().stop(in_sighandler, exitcode)


def _given_options(options: dict[str, Any]) -> set[str]:
    context = click.get_current_context(silent=True)
    if context is None:
        return {name for name, value in options.items() if value is not None}
    return {name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT}


def _exit(sentence: str) -> None:
    sys.stderr.write(f"swapline: this worker cannot start: {sentence}.\n")
    raise SystemExit(EX_USAGE)
