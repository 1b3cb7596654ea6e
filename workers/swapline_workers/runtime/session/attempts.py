"""The paid calls that this process has under way, as Redis has to know them.

A Redis that comes back without its last writes has lost their attempts, and would have the calls made again. So each
attempt is written again, while others wait (`LedgerSettling`).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swapline_producer.contract import transitions
from swapline_producer.contract.answers import Advanced
from swapline_producer.errors import LedgerUnavailable
from swapline_workers.core.log_events import LogEvent
from swapline_workers.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable

    from swapline_producer.contract import Job
    from swapline_producer.ledger import Ledger
    from swapline_workers.runtime.session.dispatch import Dispatch
    from swapline_workers.runtime.session.leases import Leases

log = logging.getLogger(__name__)

BEHIND = {"event_name": LogEvent.LEDGER_BEHIND}


@dataclass(slots=True, eq=False)
class OpenAttempt:
    """A call under way: its job once the attempt was written, and the replication id of a server that has it.

    `rescue_after` in seconds.
    """

    job: Job
    token: str
    rescue_after: float
    server: str


class Attempts:
    """The attempts of this process's calls under way, at most one for each thread. Thread-safe."""

    def __init__(self, ledger: Ledger, leases: Leases, dispatch: Dispatch) -> None:
        """Begin without calls."""
        self._ledger = ledger
        self._leases = leases
        self._dispatch = dispatch
        self._written: dict[str, OpenAttempt] = {}
        self._restoring = threading.Lock()
        self.on_written: Callable[[], None] = lambda: None
        """Called after each attempt."""

    def written(self, attempt: OpenAttempt) -> None:
        """Note an attempt by this thread, whose call begins now."""
        self._written[attempt.token] = attempt
        self.on_written()

    def open(self) -> list[OpenAttempt]:
        """Return the attempts whose calls have not ended."""
        for token in [token for token in list(self._written) if not self._leases.is_paying(token)]:
            self._written.pop(token, None)
        return list(self._written.values())

    def restore(self) -> None:
        """Write again what a server that took another's place has lost. Raises LedgerUnavailable."""
        attempts = self.open()
        server = self._ledger.server(confirm=True) if attempts else ""
        unsure = [attempt for attempt in attempts if attempt.server != server]
        if not unsure:
            return
        found = self._ledger.jobs.get_many([attempt.job.job_id for attempt in unsure], unreadable=[])
        jobs = {job.job_id: job for job in found}
        failure: LedgerUnavailable | None = None
        for attempt in unsure:
            try:
                with self._restoring:
                    known = self._is_known(attempt, jobs.get(attempt.job.job_id))
            except LedgerUnavailable as error:  # one bad record must not keep the others from it
                failure = error
            else:
                attempt.server = server if known else attempt.server
        if failure is not None:
            raise failure

    def wait_for_restoration(self) -> None:
        """Wait until no attempt is being written again; none is any more whose call has ended."""
        with self._restoring:
            return

    def _is_known(self, attempt: OpenAttempt, found: Job | None) -> bool:
        """Have the ledger know an attempt; False where its job moved meanwhile."""
        job = attempt.job
        if found is None or found.state not in transitions.FORGOTTEN or found.attempts >= job.attempts:
            return True
        if not self._leases.is_paying(attempt.token):  # its outcome is being written
            return True
        change = transitions.attempted_before(found, job, rescue_after=attempt.rescue_after)
        answer = self._ledger.transitions.restore_attempt(found, change, token=attempt.token)
        if not isinstance(answer, Advanced):
            return False
        self._leases.restored(attempt.token, job.job_id, answer.job.version)
        self._dispatch.send_messages(answer.granted)
        self._dispatch.wake_up_at(answer.due, answer.opens_at)
        context.concerns(answer.job)
        log.warning("the ledger had lost the attempt of a paid call under way: it is written again", extra=BEHIND)
        return True
