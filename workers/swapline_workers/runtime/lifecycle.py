"""One lifecycle for all parts of a worker: start, drain, stop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)


class Part(Protocol):
    """A part of a worker."""

    def start(self) -> None:
        """Begin. Raises WrongOwner where this worker may not work here."""

    def drain(self) -> None:
        """Begin nothing new. Sets flags only: it never waits."""

    def stop(self) -> None:
        """End; no step is in progress any more."""


class Parts:
    """Starts parts in order; drains and stops them in reverse."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Start nothing yet."""
        self._parts = parts
        self._started: list[Part] = []
        self._is_draining = False

    def start(self) -> None:
        """Start each part. Raises what a part raises."""
        for part in self._parts:
            self._started.append(part)
            part.start()

    def drain(self) -> None:
        """Drain each started part, once."""
        if self._is_draining:
            return
        self._is_draining = True
        for part in reversed(self._started):
            part.drain()

    def stop(self) -> None:
        """Drain and stop each started part, also after one that fails."""
        self.drain()
        while self._started:
            part = self._started.pop()
            try:
                part.stop()
            except Exception:
                log.exception("part of the worker did not stop: %s", type(part).__name__)
