"""What a worker says of the signals that stop it.

A signal comes in the middle of anything: of a log line, or with a lock held. So its handler only starts a thread.
"""

from __future__ import annotations

import logging
import sys
from threading import Thread
from typing import TYPE_CHECKING

from billiard.process import current_process
from celery import signals
from celery.apps import worker as celery_worker
from celery.platforms import EX_OK
from celery.worker import state

if TYPE_CHECKING:
    from collections.abc import Callable


class Announcements:
    """Announces each signal on a thread of its own, as Celery does: a message, then `worker_shutting_down`."""

    def __init__(self, hostname: str) -> None:
        """`hostname`: the worker's."""
        self._hostname = hostname
        self._threads: list[Thread] = []

    def handler(self, name: str, how: str) -> Callable[..., None]:
        """Return the handler of signal `name`, which stops the worker: "Warm" or "Cold"."""

        def stop(*_: object) -> None:
            if current_process().name == "MainProcess":
                thread = Thread(target=self._announce, args=(name, how), name="swapline-signal", daemon=True)
                self._threads.append(thread)
                thread.start()
                state.should_stop = EX_OK  # type: ignore[assignment]  # celery-types knows only the initial value

        return stop

    def join(self) -> None:
        """Wait until every signal so far is announced."""
        for thread in self._threads:
            thread.join()

    def _announce(self, name: str, how: str) -> None:
        vars(celery_worker)["safe_say"](f"worker: {how} shutdown (MainProcess)", sys.__stdout__)
        signals.worker_shutting_down.send(sender=self._hostname, sig=name, how=how, exitcode=EX_OK)


def log_messages() -> None:
    """Log what Celery prints on a signal."""
    vars(celery_worker)["safe_say"] = _log_message


def _log_message(message: str, *_: object) -> None:
    logging.getLogger("celery.worker").info(message.strip())
