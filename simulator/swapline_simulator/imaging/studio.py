"""Render results one at a time in a thread, from submission on, and cache them."""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from swapline_simulator.imaging.pictures import render

if TYPE_CHECKING:
    from swapline_simulator.api.intake import Photograph
    from swapline_simulator.imaging.pictures import Recipe

    Name = tuple[str, Recipe]

CACHE_BYTES = 256 * 2**20
"""Bytes of cached results: about 45 of full size. Others are rendered again on demand."""


class Studio:
    """Returns results in base64; each (photograph, recipe) is rendered once while it stays in the cache."""

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        """Start with an empty cache. Belongs to the event loop that uses it first."""
        self._cache_bytes = cache_bytes
        self._used = 0
        self._cache: OrderedDict[Name, bytes] = OrderedDict()
        self._rendering: dict[Name, asyncio.Future[bytes]] = {}
        # One thread: results are ready in the order of submission, and other cores stay free.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="studio")

    def begin(self, photograph: Photograph, recipe: Recipe) -> None:
        """Start rendering a result, unless it is cached or being rendered."""
        name = (photograph.sha256, recipe)
        if name in self._cache or name in self._rendering:
            return
        future = asyncio.get_running_loop().run_in_executor(self._thread, _render, photograph.data, recipe)
        self._rendering[name] = future
        future.add_done_callback(partial(self._store, name))

    async def result(self, photograph: Photograph, recipe: Recipe) -> bytes:
        """Return a result in base64; wait for it if necessary."""
        name = (photograph.sha256, recipe)
        if name in self._cache:
            self._cache.move_to_end(name)
            return self._cache[name]
        self.begin(photograph, recipe)
        return await asyncio.shield(self._rendering[name])

    def close(self) -> None:
        """Stop, and drop what has not started."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _store(self, name: Name, future: asyncio.Future[bytes]) -> None:
        """Cache a finished result, and drop the least recently used ones."""
        del self._rendering[name]
        if future.cancelled() or future.exception() is not None:
            return
        self._cache[name] = future.result()
        self._used += len(self._cache[name])
        while self._used > self._cache_bytes and len(self._cache) > 1:
            self._used -= len(self._cache.popitem(last=False)[1])


def _render(photograph: bytes, recipe: Recipe) -> bytes:
    return b2a_base64(render(photograph, recipe), newline=False)
