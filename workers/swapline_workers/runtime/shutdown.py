"""How a worker stops: what is in hand is finished within a grace period, and the rest given back at once.

From the signal on nothing is taken in hand and no paid call is begun, and jobs whose messages this worker has read and
not begun are made due for others. Celery's own warm shutdown stops reading and waits for its threads without an end;
but a thread may sit in a status call for half a minute, or in an upload for a minute. So when the grace period is over,
or when the worker is told again, jobs still in hand are made due for others, too, and the process ends; but a paid call
that is under way has the whole grace period, however often the worker is told. One that takes even longer is left to
its rescue, which knows what that means.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from celery.worker import state

from swapline_producer.contract.changes import Released
from swapline_workers.runtime.heartbeat import as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swapline_workers.runtime.due_dispatcher import DueDispatcher
    from swapline_workers.runtime.job_session import LedgerSession

log = logging.getLogger(__name__)

ASK_AGAIN_S = 0.1
"""Seconds between two looks for paid calls: only while a worker in haste waits for one."""


class GracefulShutdown:
    """Stops one worker process, once."""

    def __init__(
        self,
        session: LedgerSession,
        due_dispatcher: DueDispatcher,
        *,
        grace: float,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        """`grace` is seconds; `leave` ends the process without waiting for its threads."""
        self._session = session
        self._due_dispatcher = due_dispatcher
        self._grace = grace
        self._leave = leave
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._hurry = False
        self._process_ends = False

    def begin(self, *, process_ends: bool) -> None:
        """Take nothing more in hand, and leave when the grace period is over.

        `process_ends` says that the process was told to end: then it does, whatever threads it still has; told again,
        its grace period is over. Only sets flags and starts a thread, so that it may be called where a signal was
        caught.
        """
        if process_ends and self._process_ends:
            self._hurry = True
            self._over.set()
        self._process_ends |= process_ends
        if self._thread is None:
            self._session.close()
            self._due_dispatcher.drain()
            self._thread = threading.Thread(target=self._run, name="swapline-farewell", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Everything in hand is finished."""
        if not self._process_ends:
            self._over.set()
        self._due_dispatcher.stop()

    def _run(self) -> None:
        ends_at = time.monotonic() + self._grace
        in_hand = {job_id for job_id, _ in self._session.leased_jobs()}
        self._give_back([(job_id, version) for job_id, version in fetched() if job_id not in in_hand])
        if self._over.wait(self._grace) and not self._hurry:
            return
        released, paying = self._give_back_all_but_paid_calls(ends_at)
        log.log(
            logging.ERROR if paying else logging.WARNING,
            "stopped %s: %d jobs in hand were given back; %d are in a paid call, its outcome unknown",
            "in haste" if self._hurry else f"after {self._grace:g} s of grace",
            released,
            paying,
        )
        logging.shutdown()
        self._leave(0)

    def _give_back_all_but_paid_calls(self, ends_at: float) -> tuple[int, int]:
        """Give back what is in hand, and wait for paid calls; gives how many jobs were given back, and are left."""
        released = 0
        while True:
            gone = self._give_back({*self._session.leased_jobs(), *fetched()})
            released += gone.released
            paying = max(gone.paying, self._session.paying)  # the ledger may be away; a child's calls it alone knows
            if not paying or time.monotonic() >= ends_at:
                return released, paying
            time.sleep(ASK_AGAIN_S)

    def _give_back(self, jobs: Iterable[tuple[str, int]]) -> Released:
        try:
            return self._session.release(jobs)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong, the process must end in time
            log.warning("what this worker leaves behind could not be given back and is rescued later: %s", error)
            return Released()


def fetched() -> list[tuple[str, int]]:
    """The messages that this worker has read and not finished: (job id, turn) each."""
    found = [tuple(request.args) for request in as_it_is(state.reserved_requests)]
    return [(job_id, version) for job_id, version in (args for args in found if len(args) == 2)]  # noqa: PLR2004 -- a pair
