"""How a worker stops: it finishes steps within a grace period and releases the rest.

From the first signal on, no lease and no paid call begin. After the grace period, or at a second signal, leased jobs
are released; a paid call that outlasts it is left to its rescue.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from swapline_producer.contract.answers import Released
from swapline_workers.dispatch.worker_state import active_jobs, reserved_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swapline_workers.runtime.session.job_session import JobSession

log = logging.getLogger(__name__)

PAID_CALL_CHECK_S = 0.1
"""Between two checks whether a paid call has ended."""


class GracefulShutdown:
    """Stops one worker process, once."""

    def __init__(
        self,
        session: JobSession,
        *,
        grace: float,
        exit_process: Callable[[int], object] = os._exit,
    ) -> None:
        """`grace`: seconds; `exit_process` waits for no thread."""
        self._session = session
        self._grace = grace
        self._exit_process = exit_process
        self._beginning = threading.Lock()
        self._thread: threading.Thread | None = None
        self._changed = threading.Event()
        self._over = False
        self._at_once = False
        self._process_ends = False

    def begin(self, *, process_ends: bool, at_once: bool = False) -> None:
        """Lease nothing more, and end after the grace period.

        `process_ends`: even if threads are left. A second call, or `at_once`, ends the grace period.
        """
        with self._beginning:
            if process_ends and (self._process_ends or at_once):
                self._at_once = True
                self._end_grace()
            self._process_ends |= process_ends
            if self._thread is None:
                self._session.drain()
                self._thread = threading.Thread(target=self._run, name="swapline-shutdown", daemon=True)
                self._thread.start()

    def reading_ended(self) -> None:
        """Release what was read since `begin`, until the consumer closes."""
        self._changed.set()

    def end(self) -> None:
        """End the grace period: every step is finished."""
        if not self._process_ends:
            self._end_grace()

    def _end_grace(self) -> None:
        self._over = True
        self._changed.set()

    def _run(self) -> None:
        ends_at = time.monotonic() + self._grace
        self._write_polls()
        self._release_unbegun()
        while not self._over and self._changed.wait(max(0.0, ends_at - time.monotonic())):
            self._changed.clear()
            self._release_unbegun()
        if self._over and not self._at_once:
            return
        released, paying = self._release_all_but_paid_calls(ends_at)
        log.log(
            logging.ERROR if paying else logging.WARNING,
            "stopped %s: %d leased jobs were released; %d are in a paid call, its outcome unknown",
            "at once" if self._at_once else f"after {self._grace:g} s of grace",
            released,
            paying,
        )
        logging.shutdown()
        self._exit_process(0)

    def _write_polls(self) -> None:
        try:
            self._session.write_polls()
        except Exception as error:  # noqa: BLE001 -- whatever is wrong, the process must end in time
            log.warning("polls could not be written, and their jobs are rescued later: %s", error)

    def _release_unbegun(self) -> None:
        """Release jobs read and not begun: while draining, none begins."""
        in_progress = {job_id for job_id, _ in (*self._session.leases.all(), *active_jobs())}
        self._release((job_id, version) for job_id, version in reserved_jobs() if job_id not in in_progress)

    def _release_all_but_paid_calls(self, ends_at: float) -> tuple[int, int]:
        """Release jobs, wait for paid calls until `ends_at`; return both numbers."""
        released = 0
        while True:
            versions = dict([*reserved_jobs(), *active_jobs(), *self._session.leases.all()])
            found = self._release(versions.items())
            released += found.released
            # Calls of child processes are known to the ledger only; the ledger may be unavailable.
            paying = max(found.paying, self._session.leases.paying)
            if not paying or time.monotonic() >= ends_at:
                return released, paying
            time.sleep(PAID_CALL_CHECK_S)

    def _release(self, jobs: Iterable[tuple[str, int]]) -> Released:
        try:
            return self._session.release(jobs)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong, the process must end in time
            log.warning("leased jobs could not be released and are rescued later: %s", error)
            return Released()
