"""The simulated vendor without HTTP: account, script of modes, pictures and time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swapline_simulator.account.account import Account, VendorJob
from swapline_simulator.api.intake import Intake
from swapline_simulator.api.orders import read_body, read_order, read_picture
from swapline_simulator.faults.script import Script
from swapline_simulator.imaging.pictures import Recipe
from swapline_simulator.imaging.spool import Spool
from swapline_simulator.imaging.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_simulator.api.intake import Photograph
    from swapline_simulator.config import SimulatorConfig
    from swapline_simulator.enums import ApiVersion


def steady_time() -> Callable[[], float]:
    """Return a function for the seconds since the epoch, unaffected by changes of the system time."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()


@dataclass
class Tally:
    """Counts of calls, beside those of the account."""

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
    """Runs in the event loop of the server; only pictures are rendered in a thread."""

    def __init__(self, config: SimulatorConfig) -> None:
        """Open an account."""
        self.now = steady_time()
        self.config = config
        self.script = Script(config.seed, config.mode)
        spool = Spool()
        self._studio = Studio(spool)
        self._intake = Intake(spool)
        self._done_events: dict[str, asyncio.Event] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._finish = asyncio.Event()
        self._open_account(epoch=0)

    def reset(self) -> None:
        """Forget every job, charge and direction; keep the configuration."""
        self.script = Script(self.config.seed)
        for event in self._done_events.values():
            event.set()
        self._done_events.clear()
        self._open_account(self.account.epoch + 1)

    def retune(self, config: SimulatorConfig) -> None:
        """Change the configuration, except the credits left."""
        self.config = config
        self.account.retune(config, self.now())
        self.settle()

    def finish(self) -> None:
        """End every running job and send every late reply now."""
        self._finish.set()
        self._finish = asyncio.Event()
        self.account.finish(self.now())
        self.settle()

    async def wait_for_finish(self, seconds: float) -> None:
        """Wait until `finish`, this long at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._finish.wait(), seconds)

    def settle(self) -> None:
        """Update the account now, and again when the next job is done: long polls wait for it."""
        now = self.now()
        self.account.settle(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (change := self.account.next_change) is not None:
            self._timer = asyncio.get_running_loop().call_later(change - now, self.settle)

    async def accept(self, version: ApiVersion, raw: bytes) -> VendorJob:
        """Accept and charge a valid submission. Raises Refusal for any other."""
        body = read_body(raw)
        order = read_order(version, body, self.config.catalog)
        photograph = await self._intake.receive(read_picture(body))
        now = self.now()
        self.account.admit(now)
        job = self.account.accept(order, photograph, now)
        self.script.bind(job.job_id)
        self._studio.begin(photograph, self._recipe(job))
        self.settle()
        return job

    async def picture(self, job: VendorJob, photograph: Photograph) -> bytes:
        """Return the result of a job in base64."""
        return await self._studio.result(photograph, self._recipe(job))

    async def done(self, job: VendorJob, seconds: float | None) -> bool:
        """Wait `seconds` at most for a job's end; return whether it is done."""
        if job.done_at is not None and job.done_at <= self.now():
            return True
        event = self._done_events.setdefault(job.job_id, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop the timer and the studio."""
        if self._timer is not None:
            self._timer.cancel()
        self._studio.close()

    def _open_account(self, epoch: int) -> None:
        self.account = Account(self.config, self._set_done, epoch)
        self.tally = Tally()

    def _set_done(self, job: VendorJob) -> None:
        if (event := self._done_events.pop(job.job_id, None)) is not None:
            event.set()

    def _recipe(self, job: VendorJob) -> Recipe:
        return Recipe(job.order.filter_id, job.order.ratio, job.order.version, self.config.results)
