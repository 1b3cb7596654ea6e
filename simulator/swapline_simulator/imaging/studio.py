"""Render results one at a time in a thread, from submission on, and cache them."""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from swapline_simulator.imaging.pictures import render

if TYPE_CHECKING:
    from collections.abc import Sized

    from swapline_simulator.api.intake import Photograph
    from swapline_simulator.imaging.pictures import Recipe
    from swapline_simulator.imaging.spool import Blob, InMemory, Spool

    Name = tuple[str, Recipe]

MEMORY_BYTES = 32 * 2**20
"""Bytes of results in memory: about five of full size, those asked for last."""
DISK_BYTES = 256 * 2**20
"""Bytes of results on disk: about 45 of full size. Others are rendered again on demand."""

T = TypeVar("T", bound="Sized")


class Recent(Generic[T]):
    """The values used last, up to a number of bytes, and at least one."""

    def __init__(self, limit: int) -> None:
        """Begin empty."""
        self._limit, self._used = limit, 0
        self._values: OrderedDict[Name, T] = OrderedDict()

    def get(self, name: Name) -> T | None:
        """Return a value, and count that as a use."""
        if name in self._values:
            self._values.move_to_end(name)
        return self._values.get(name)

    def put(self, name: Name, value: T) -> None:
        """Add a value, and drop the ones that were used longest ago."""
        self._used += len(value) - len(self._values.pop(name, b""))
        self._values[name] = value
        while self._used > self._limit and len(self._values) > 1:
            self._used -= len(self._values.popitem(last=False)[1])


class Studio:
    """Returns results in base64; each (photograph, recipe) is rendered once while it stays in a cache."""

    def __init__(self, spool: Spool, *, memory: int = MEMORY_BYTES, disk: int = DISK_BYTES) -> None:
        """Start with empty caches, their limits in bytes. Belongs to the event loop that uses it first."""
        self._spool = spool
        self._in_memory: Recent[bytes] = Recent(memory)
        self._on_disk: Recent[Blob | InMemory] = Recent(disk)
        self._rendering: dict[Name, asyncio.Future[tuple[bytes, Blob | InMemory]]] = {}
        # One thread: results are ready in the order of submission, and other cores stay free.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="studio")

    def begin(self, photograph: Photograph, recipe: Recipe) -> None:
        """Start rendering a result, unless it is cached or being rendered."""
        name = (photograph.sha256, recipe)
        if name in self._rendering or self._on_disk.get(name) is not None:
            return
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._render, photograph, recipe)
        self._rendering[name] = future
        future.add_done_callback(partial(self._store, name))

    async def result(self, photograph: Photograph, recipe: Recipe) -> bytes:
        """Return a result in base64; wait for it if necessary."""
        name = (photograph.sha256, recipe)
        if (result := self._in_memory.get(name)) is not None:
            return result
        if (stored := self._on_disk.get(name)) is None:
            self.begin(photograph, recipe)
            return (await asyncio.shield(self._rendering[name]))[0]
        result = await asyncio.to_thread(stored.read)
        self._in_memory.put(name, result)
        return result

    def close(self) -> None:
        """Stop, and drop what has not started."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _render(self, photograph: Photograph, recipe: Recipe) -> tuple[bytes, Blob | InMemory]:
        result = b2a_base64(render(photograph.data, recipe, photograph.eyes), newline=False)
        return result, self._spool.put(result)

    def _store(self, name: Name, future: asyncio.Future[tuple[bytes, Blob | InMemory]]) -> None:
        """Cache a finished result."""
        del self._rendering[name]
        if not future.cancelled() and future.exception() is None:
            result, stored = future.result()
            self._in_memory.put(name, result)
            self._on_disk.put(name, stored)
