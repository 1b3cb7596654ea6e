"""The vendor in a thread of this process, for tests."""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Self

from swapline_simulator.api.server import listening
from swapline_simulator.client import Control
from swapline_simulator.config import SimulatorConfig

if TYPE_CHECKING:
    from types import TracebackType


class Simulator:
    """A context manager: inside, the vendor listens at `url`, and `control` controls it.

    with Simulator(SimulatorConfig(cap=4, service_time="fixed:0.1")) as vendor:
        requests.post(f"{vendor.url}/v6/run/face_swap", …)
        assert vendor.control.report().credits_spent == 2
    """

    url: str
    control: Control

    def __init__(self, config: SimulatorConfig | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Prepare a vendor; port 0 takes a free one."""
        self.config = config or SimulatorConfig()
        self._where = (host, port)
        self._started: SimpleQueue[str | BaseException] = SimpleQueue()
        self._thread = Thread(target=self._run, name="simulator", daemon=True)

    def __enter__(self) -> Self:
        """Listen. Raises SimulatorError if it cannot."""
        self._thread.start()
        started = self._started.get()
        if isinstance(started, BaseException):
            self._thread.join()
            raise started
        self.url = started
        self.control = Control(started)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; open calls are cut."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits in __enter__
            self._started.put(error)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with listening(self.config, *self._where) as url:
            self._started.put(url)
            await self._stop.wait()
