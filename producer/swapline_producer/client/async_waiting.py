"""Waiting in asyncio: one thread and subscription a process."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING

from swapline_producer.client.waiting import CHUNK, RECONNECT_DELAY_S, SWEEP_INTERVAL_S
from swapline_producer.errors import JobNotFound, LedgerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger

log = logging.getLogger(__name__)

RECEIVE_TIMEOUT_S = 0.5
"""Until the thread checks for waiters that have gone."""

Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Job]"]


class CompletionListener:
    """Resolves futures of any event loop."""

    def __init__(self, ledger: Ledger) -> None:
        """Connect to nothing yet."""
        self._ledger = ledger
        self._lock = threading.Lock()
        self._waiters: dict[str, list[Waiter]] = {}
        self._thread: threading.Thread | None = None

    async def wait(self, job_id: str, seconds: float) -> Job:
        """Return a job once it has finished. Raises JobNotFound, LedgerUnavailable and TimeoutError."""
        loop = asyncio.get_running_loop()
        waiter = (loop, loop.create_future())
        try:
            async with asyncio.timeout(seconds):
                self._add(job_id, waiter)  # before the read: what finishes in between is notified
                job = await asyncio.to_thread(self._ledger.jobs.get, job_id)
                return job if job.state.finished else await waiter[1]
        finally:
            self._remove(job_id, waiter)

    def _add(self, job_id: str, waiter: Waiter) -> None:
        with self._lock:
            self._waiters.setdefault(job_id, []).append(waiter)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="swapline-completions", daemon=True)
                self._thread.start()

    def _remove(self, job_id: str, waiter: Waiter) -> None:
        with self._lock:
            left = [other for other in self._waiters.get(job_id, ()) if other is not waiter]
            if left:
                self._waiters[job_id] = left
            else:
                self._waiters.pop(job_id, None)

    def _run(self) -> None:
        while self._is_needed():
            try:
                with self._ledger.subscriptions.watch_all() as receive:
                    self._serve(receive)
            except LedgerUnavailable:
                time.sleep(RECONNECT_DELAY_S)
            except Exception:  # a client that is closed under its subscription raises what its sockets raise
                if self._waiters:
                    log.exception("subscription to finished jobs failed, trying again")
                    time.sleep(RECONNECT_DELAY_S)

    def _is_needed(self) -> bool:
        with self._lock:
            if self._waiters:
                return True
            self._thread = None  # under the lock: a waiter that comes now starts another thread
            return False

    def _serve(self, receive: Callable[[float], str | None]) -> None:
        sweep_at = 0.0  # at once: what finished before the subscription was not notified
        while self._waiters:
            if time.monotonic() >= sweep_at:
                self._sweep()
                sweep_at = time.monotonic() + SWEEP_INTERVAL_S
            if job_id := receive(RECEIVE_TIMEOUT_S):
                self._resolve([job_id])

    def _sweep(self) -> None:
        waited_for = iter(list(self._waiters))
        while chunk := list(islice(waited_for, CHUNK)):
            states = self._ledger.subscriptions.states(chunk)
            self._resolve(
                job_id for job_id, state in zip(chunk, states, strict=True) if state is None or state.finished
            )

    def _resolve(self, finished: Iterable[str]) -> None:
        wanted = [job_id for job_id in finished if job_id in self._waiters]
        jobs = {job.job_id: job for job in self._ledger.jobs.get_many(wanted)} if wanted else {}
        for job_id in wanted:
            with self._lock:
                waiters = self._waiters.pop(job_id, [])
            for loop, future in waiters:
                _call(loop, _settle, future, jobs.get(job_id), job_id)


def _call(loop: asyncio.AbstractEventLoop, *callback: object) -> None:
    try:
        loop.call_soon_threadsafe(*callback)  # type: ignore[arg-type]  # a function and its arguments
    except RuntimeError:  # the loop was closed with its waiters
        return


def _settle(future: asyncio.Future[Job], job: Job | None, job_id: str) -> None:
    if future.done():  # timed out or canceled meanwhile
        return
    if job is None:
        future.set_exception(JobNotFound(f"There is no job {job_id!r} in the ledger any more."))
    else:
        future.set_result(job)
