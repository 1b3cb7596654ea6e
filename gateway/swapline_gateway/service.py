"""What every route stands on: the producer, its settings, and the threads that wait for Redis and the store."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from swapline_gateway.hub import EventHub

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_gateway.settings import GatewaySettings
    from swapline_producer.producer import Producer

P = ParamSpec("P")
R = TypeVar("R")

LEDGER_THREADS = 16
"""A call takes a millisecond or less; each thread holds a connection."""

PICTURE_THREADS = 3
"""Pictures in memory at a time, 30 MB each where they come as base64; a store takes each in about 0.1 s."""


@dataclass
class Service:
    """One for each process."""

    producer: Producer
    settings: GatewaySettings
    root_path: str = ""
    """What a proxy serves the gateway under, as `/swapline`."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is to end: those who wait for a job are answered with what there is."""
    _hub: EventHub | None = None
    _ledger_threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(LEDGER_THREADS, "swapline-ledger")
    )
    _picture_threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(PICTURE_THREADS, "swapline-pictures")
    )

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a short call of the ledger in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._ledger_threads, lambda: function(*args, **kwargs))

    async def call_with_picture(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a call that has a picture in memory; few run at a time, which bounds the memory of all."""
        return await asyncio.get_running_loop().run_in_executor(
            self._picture_threads, lambda: function(*args, **kwargs)
        )

    @property
    def hub(self) -> EventHub:
        """Who tells listeners that a job has moved."""
        if self._hub is None:
            self._hub = EventHub(self.producer.ledger, asyncio.get_running_loop())
        return self._hub

    def close(self) -> None:
        """Let the threads end."""
        self._ledger_threads.shutdown(wait=False, cancel_futures=True)
        self._picture_threads.shutdown(wait=False, cancel_futures=True)
