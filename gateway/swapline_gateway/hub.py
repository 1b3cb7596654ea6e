"""Listeners of a process: whatever their number, one thread and one connection of Redis tell them that a job moved."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.errors import LedgerUnavailable

if TYPE_CHECKING:
    import asyncio

    from swapline_producer.ledger import Ledger
    from swapline_producer.ledger.jobs.subscriptions import MoveFeed

log = logging.getLogger(__name__)

RECEIVE_TIMEOUT_S = 0.5
"""Seconds that the thread waits before it looks whether there are listeners still."""

RECONNECT_DELAY_S = 1.0
"""Seconds between two tries to reach a ledger that went away."""


class EventHub:
    """Wakes listeners. Its methods belong to the event loop; the thread lives while there are listeners."""

    def __init__(self, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        """Connect to nothing yet."""
        self._ledger = ledger
        self._loop = loop
        self._lock = threading.Lock()
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._feed: MoveFeed | None = None
        self._running = False

    def add(self, job_id: str, moved: asyncio.Event) -> bool:
        """Set `moved` whenever the job moves; whether `follow` must be called, in a thread."""
        with self._lock:
            first = job_id not in self._listeners
            self._listeners.setdefault(job_id, set()).add(moved)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="swapline-events", daemon=True).start()
                return False
        return first

    def remove(self, job_id: str, moved: asyncio.Event) -> bool:
        """Forget a listener; whether `unfollow` must be called, in a thread."""
        with self._lock:
            left = self._listeners.get(job_id, set())
            left.discard(moved)
            if not left:
                self._listeners.pop(job_id, None)
            return not left

    def follow(self, job_id: str) -> None:
        """Have the subscription follow a job. Raises LedgerUnavailable."""
        feed = self._feed
        if feed is not None:
            feed.add(job_id)

    def unfollow(self, job_id: str) -> None:
        """Have the subscription follow a job no more, unless another listener has come."""
        feed = self._feed
        with self._lock:
            wanted = job_id in self._listeners
        if feed is not None and not wanted:
            feed.remove(job_id)

    def _run(self) -> None:
        while self._is_needed():
            try:
                with self._ledger.subscriptions.follow() as feed:
                    self._serve(feed)
            except LedgerUnavailable:
                time.sleep(RECONNECT_DELAY_S)
            except Exception:  # a client that is closed under its subscription raises what its sockets raise
                if self._is_needed():
                    log.exception("subscription to events failed, trying again")
                    time.sleep(RECONNECT_DELAY_S)
            finally:
                self._feed = None

    def _is_needed(self) -> bool:
        with self._lock:
            self._running = bool(self._listeners)
            return self._running

    def _serve(self, feed: MoveFeed) -> None:
        self._feed = feed
        with self._lock:
            known = list(self._listeners)
        for job_id in known:  # wake each once it is followed: it may have moved before
            feed.add(job_id)
        while self._listeners:
            moved = feed.receive(RECEIVE_TIMEOUT_S)
            if moved is not None:
                self._loop.call_soon_threadsafe(self._wake, moved)

    def _wake(self, job_id: str) -> None:
        for moved in self._listeners.get(job_id, ()):
            moved.set()
