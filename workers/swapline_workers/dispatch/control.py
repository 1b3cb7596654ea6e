"""Remote control: answers without secrets; refuses commands that do not apply."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.app.control import Control as CeleryControl
from celery.worker import control
from kombu.pidbox import Mailbox as KombuMailbox
from kombu.pidbox import Node as KombuNode

from swapline_workers.dispatch.request import HOW_TO_CANCEL
from swapline_workers.telemetry.redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

REFUSED = {
    "revoke": HOW_TO_CANCEL % "JOB",
    "revoke_by_stamped_headers": HOW_TO_CANCEL % "JOB",
    "terminate": HOW_TO_CANCEL % "JOB",
    "rate_limit": "rate limits of tasks do not apply: set SWAPLINE_SUBMIT_RATE or SWAPLINE_POLL_RATE, "
    "which count over all workers",
    "time_limit": "time limits of tasks do not apply: each call has its own, SWAPLINE_SUBMIT_TIMEOUT, "
    "SWAPLINE_STATUS_TIMEOUT, SWAPLINE_STORAGE_TIMEOUT and SWAPLINE_WEBHOOK_TIMEOUT",
    "autoscale": "autoscaling does not apply: start a further worker, or this one with another --concurrency",
    "pool_restart": "the pool cannot be restarted: restart the worker",
}
"""Command -> what to do instead."""

ONLY_PREFORK = {
    "pool_grow": "only a pool of processes can grow: start a further worker, or this one with another --concurrency",
    "pool_shrink": "only a pool of processes can shrink: start this worker with another --concurrency",
}
"""Refused by threads and solo -> what to do instead."""


class Node(KombuNode):
    """A worker's end of the remote control."""

    mailbox: Mailbox

    def reply(self, data: Any, *arguments: Any, **options: Any) -> None:
        """Send an answer as JSON without secrets."""
        super().reply(self.mailbox.clean(data), *arguments, **options)


class Mailbox(KombuMailbox):
    """The remote control of an app."""

    node_cls = Node
    clean: Callable[[Any], Any] = staticmethod(redactor())
    """Removes secrets; a worker sets one that knows its own."""


class Control(CeleryControl):
    """Celery's remote control with our mailbox."""

    Mailbox = Mailbox


def replace_commands() -> None:
    """Refuse the commands that would answer OK and do nothing."""
    for name, sentence in REFUSED.items():
        _refuse(name, sentence, lambda _: True)
    for name, sentence in ONLY_PREFORK.items():
        _refuse(name, sentence, lambda state: not _has_processes(state.consumer.pool))


def _has_processes(pool: Any) -> bool:
    return pool is not None and hasattr(pool, "grow")


def _refuse(name: str, sentence: str, applies: Callable[[Any], bool]) -> None:
    original = control.Panel.data[name]

    def answer(state: Any, *arguments: Any, **options: Any) -> Any:
        if not applies(state):
            return original(state, *arguments, **options)
        log.warning("remote command %s refused: %s", name, sentence)
        return {"error": sentence}

    control.Panel.data[name] = answer
