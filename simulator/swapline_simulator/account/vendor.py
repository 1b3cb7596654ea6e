"""One account at the simulated vendor: its books, script, studio and clock, without the HTTP around them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swapline_simulator.account.account import Account, VendorJob
from swapline_simulator.api.intake import Intake
from swapline_simulator.api.orders import read_body, read_order, read_picture
from swapline_simulator.faults.script import Script
from swapline_simulator.imaging.pictures import Recipe
from swapline_simulator.imaging.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_simulator.api.intake import Photograph
    from swapline_simulator.config import SimulatorConfig
    from swapline_simulator.enums import ApiVersion


def steady_clock() -> Callable[[], float]:
    """Give a clock of seconds since the epoch that never jumps, whatever happens to the machine's own."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()


@dataclass
class Tally:
    """What was asked of the vendor, beside what the books know."""

    submissions: int = 0
    with_key: int = 0
    """Submissions that came with the right key."""
    refused: Counter[str] = field(default_factory=Counter)
    """Submissions that were not accepted, by code, or by mode where a mode refused them."""
    polls: int = 0
    """Status calls."""
    unknown_polls: int = 0
    """Status calls about jobs that this version of the API does not know."""
    unauthorized: int = 0
    """Calls of both kinds with a wrong key or none."""


class SimulatedVendor:
    """Everything here but the making of pictures happens in the event loop that serves the calls."""

    def __init__(self, config: SimulatorConfig) -> None:
        """Open an account."""
        self.now = steady_clock()
        self.config = config
        self.script = Script(config.seed, config.mode)
        self._studio = Studio()
        self._intake = Intake()
        self._bells: dict[str, asyncio.Event] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._open_books(epoch=0)

    def reset(self) -> None:
        """Forget every job, charge and direction; the rest of the configuration stays."""
        self.script = Script(self.config.seed)
        for bell in self._bells.values():
            bell.set()
        self._bells.clear()
        self._open_books(self.account.epoch + 1)

    def retune(self, config: SimulatorConfig) -> None:
        """Go on under another configuration. The credits that are left stay."""
        self.config = config
        self.account.retune(config, self.now())
        self.settle()

    def finish(self) -> None:
        """Have every job that runs done now."""
        self.account.finish(self.now())
        self.settle()

    def settle(self) -> None:
        """Bring the books up to date now, and again as soon as the next job is done: calls may be held for it."""
        now = self.now()
        self.account.settle(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (change := self.account.next_change) is not None:
            self._timer = asyncio.get_running_loop().call_later(change - now, self.settle)

    async def accept(self, version: ApiVersion, raw: bytes) -> VendorJob:
        """Take a submission in. Nothing is charged unless everything about it is right.

        Raises Refusal.
        """
        body = read_body(raw)
        order = read_order(version, body, self.config.catalog)
        photograph = await self._intake.take(read_picture(body))
        now = self.now()
        self.account.admit(now)
        job = self.account.accept(order, photograph, now)
        self.script.bind(job.job_id)
        self._studio.begin(photograph, self._recipe(job))
        self.settle()
        return job

    async def picture(self, job: VendorJob, photograph: Photograph) -> bytes:
        """Give the result of a job in base64."""
        return await self._studio.result(photograph, self._recipe(job))

    async def done(self, job: VendorJob, seconds: float | None) -> bool:
        """Wait until a job is done, for a time at most; tell whether it is."""
        if job.done_at is not None and job.done_at <= self.now():
            return True
        bell = self._bells.setdefault(job.job_id, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await bell.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop the clock and the studio."""
        if self._timer is not None:
            self._timer.cancel()
        self._studio.close()

    def _open_books(self, epoch: int) -> None:
        self.account = Account(self.config, self._ring, epoch)
        self.tally = Tally()

    def _ring(self, job: VendorJob) -> None:
        if (bell := self._bells.pop(job.job_id, None)) is not None:
            bell.set()

    def _recipe(self, job: VendorJob) -> Recipe:
        return Recipe(job.order.filter_id, job.order.ratio, job.order.version, self.config.results)
