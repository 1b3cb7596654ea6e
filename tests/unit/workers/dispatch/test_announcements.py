"""Signals that come in the middle of something."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.apps import worker as celery_worker
from celery.worker import state

from swapline_workers.dispatch.announcements import Announcements, log_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class InterruptedFile(io.RawIOBase):
    """A file whose first write is interrupted."""

    def __init__(self, interrupt: Callable[[], object]) -> None:
        self._interrupt: Callable[[], object] | None = interrupt
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            interrupt()
        self.written += bytes(data)
        return len(data)


def test_a_signal_in_the_middle_of_a_log_line_is_announced_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_worker, "safe_say", vars(celery_worker)["safe_say"])
    monkeypatch.setattr(state, "should_stop", None)
    announced: list[Any] = []

    def record(**received: Any) -> None:
        announced.append((received["sig"], received["how"]))

    signals.worker_shutting_down.connect(record)
    announcements = Announcements("tests@here")
    file = InterruptedFile(announcements.handler("SIGTERM", "Warm"))
    handler = logging.StreamHandler(io.TextIOWrapper(io.BufferedWriter(file), write_through=True))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        log_messages()
        monkeypatch.setattr(root, "level", logging.INFO)
        logging.getLogger("tests").warning("a line")
        announcements.join()
    finally:
        root.removeHandler(handler)
        signals.worker_shutting_down.disconnect(record)
    assert announced == [("SIGTERM", "Warm")]
    assert file.written == b"a line\nworker: Warm shutdown (MainProcess)\n"
    assert state.should_stop == 0
