"""Bounds on uvicorn's connections: incomplete requests would use up its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class BoundedConnections:
    """Closes connections: idle for `silent_for`, and the oldest of more than `most`.

    To be put before one of uvicorn's HTTP protocols.
    """

    most: int
    """Connections at once."""
    silent_for: float
    """Seconds until the head of the next request is complete."""

    connections: Any
    loop: Any
    transport: Any
    cycle: Any
    idle_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Count it, and wait for the first request."""
        super().connection_made(transport)  # type: ignore[misc]  # uvicorn's
        self._wait()
        if len(self.connections) > self.most:
            idle = [one for one in self.connections if isinstance(one, BoundedConnections) and one.idle]
            oldest = min(idle, key=lambda one: one.idle_since)  # this one is idle itself
            oldest.transport.abort()
            self.connections.discard(oldest)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()  # type: ignore[misc]  # uvicorn's
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)  # type: ignore[misc]  # uvicorn's
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
        self._timer = self.loop.call_later(self.silent_for, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self.idle:
            self.transport.abort()  # `close` would wait until the peer has read everything
