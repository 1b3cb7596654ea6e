"""Where results are made: one at a time in a thread of its own, begun at submission, kept while there is room."""

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

ROOM = 256 * 2**20
"""Bytes of results that are kept: about 45 of full size. The others are made again when they are asked for."""


class Studio:
    """Gives results in base64. One is made once for each (photograph, recipe), as long as there is room to keep it."""

    def __init__(self, room: int = ROOM) -> None:
        """Open with an empty shelf. Belongs to the event loop that uses it first."""
        self._room = room
        self._used = 0
        self._shelf: OrderedDict[Name, bytes] = OrderedDict()
        self._bench: dict[Name, asyncio.Future[bytes]] = {}
        # One thread: results come out in the order of their submission, and a core is left to everything else.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="studio")

    def begin(self, photograph: Photograph, recipe: Recipe) -> None:
        """Begin to make a result, unless it is made or in the making."""
        name = (photograph.sha256, recipe)
        if name in self._shelf or name in self._bench:
            return
        making = asyncio.get_running_loop().run_in_executor(self._thread, _made, photograph.data, recipe)
        self._bench[name] = making
        making.add_done_callback(partial(self._put_away, name))

    async def result(self, photograph: Photograph, recipe: Recipe) -> bytes:
        """Give a result in base64, waiting for it where it is not made yet."""
        name = (photograph.sha256, recipe)
        if name in self._shelf:
            self._shelf.move_to_end(name)
            return self._shelf[name]
        self.begin(photograph, recipe)
        return await asyncio.shield(self._bench[name])

    def close(self) -> None:
        """Stop; what was not begun is never made."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _put_away(self, name: Name, making: asyncio.Future[bytes]) -> None:
        """Move a result from the bench to the shelf, and drop those that were not asked for the longest."""
        del self._bench[name]
        if making.cancelled() or making.exception() is not None:
            return
        self._shelf[name] = making.result()
        self._used += len(self._shelf[name])
        while self._used > self._room and len(self._shelf) > 1:
            self._used -= len(self._shelf.popitem(last=False)[1])


def _made(photograph: bytes, recipe: Recipe) -> bytes:
    return b2a_base64(render(photograph, recipe), newline=False)
