"""uvicorn's HTTP protocol with bounds on connections: a thousand incomplete requests would use up its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

MOST = 400
"""A process usually has 1,024 files."""

SILENT_FOR = 10.0
"""Seconds until the next request is complete."""


class BoundedProtocol(H11Protocol):
    """Closes idle connections: after SILENT_FOR, and the oldest of more than MOST."""

    idle_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Count it, and wait for the first request."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > MOST:
            idle = [one for one in self.connections if isinstance(one, BoundedProtocol) and one.idle]
            oldest = min(idle, key=lambda one: one.idle_since)  # this one is idle itself
            oldest.transport.abort()
            self.connections.discard(oldest)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.idle_since = self.loop.time()
        self._timer = self.loop.call_later(SILENT_FOR, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self.idle:
            self.transport.abort()  # `close` would wait until the peer has read everything
