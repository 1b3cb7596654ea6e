"""How a step writes: changes fenced by the job's version, and what follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Job, State, transitions
from swapline_producer.contract.answers import CancelRequested, LostRace
from swapline_producer.errors import LedgerSettling, NotReplicated
from swapline_producer.ledger import new_token
from swapline_workers.core.outcomes import CanceledInstead
from swapline_workers.runtime.session.attempts import OpenAttempt
from swapline_workers.telemetry import context
from swapline_workers.telemetry.change_log import ChangeLog

if TYPE_CHECKING:
    from swapline_producer.contract import Batch
    from swapline_producer.contract.changes import Change
    from swapline_producer.ledger import Ledger
    from swapline_workers.core.outcomes import Refused
    from swapline_workers.runtime.session.attempts import Attempts
    from swapline_workers.runtime.session.dispatch import Dispatch
    from swapline_workers.runtime.session.leases import Leases
    from swapline_workers.runtime.session.moved_jobs import MovedJobs
    from swapline_workers.runtime.session.outage import OutageRetry
    from swapline_workers.runtime.session.unwritten_polls import UnwrittenPolls
    from swapline_workers.runtime.session.view import LedgerView

SECONDS = 1000


class Writes:
    """The port `Writes`, over the ledger. Thread-safe."""

    def __init__(  # noqa: PLR0913 -- the session's other parts
        self,
        ledger: Ledger,
        *,
        leases: Leases,
        moved_jobs: MovedJobs,
        dispatch: Dispatch,
        outage: OutageRetry,
        view: LedgerView,
        polls: UnwrittenPolls,
        attempts: Attempts,
    ) -> None:
        """Inform the session's other parts."""
        self._ledger = ledger
        self._leases = leases
        self._moved_jobs = moved_jobs
        self._dispatch = dispatch
        self._outage = outage
        self._view = view
        self._polls = polls
        self._attempts = attempts
        self._change_log = ChangeLog()
        self.claims_follow = True
        """Whether this process claims to its end, or drains first: then a claim can write its polls."""

    def advance(self, job: Job, change: Change) -> Job | Refused:
        """See `steps.ports.Writes.advance`."""
        token = new_token()
        if change.fields.get("attempt_open"):
            return self._outage.once_settled(lambda: self._begin_attempt(job, change, token))
        with self._leases.writing(job.job_id):
            return self._write(job, change, token)

    def advance_until_written(self, job: Job, change: Change) -> Job | Refused:
        """See `steps.ports.Writes.advance_until_written`."""
        token, after = new_token(), self._leases.settles()
        with self._leases.writing(job.job_id):
            written = self._outage.until_answered(lambda: self._write(job, change, token, after), job, change.data)
            if not (after and isinstance(written, LostRace) and (restored := self._restored(job))):
                return written
            return self._outage.until_answered(lambda: self._write(restored, change, token, after), job, change.data)

    def advance_soon(self, job: Job, change: Change) -> None:
        """See `steps.ports.Writes.advance_soon`."""
        if self._leases.draining or not self.claims_follow:
            self.advance(job, change)
            return
        context.concerns(job)
        self._polls.add(job, change)
        self._dispatch.wake_up_at(self._view.now() + round((change.due_in or 0.0) * SECONDS))

    def advance_batch(self, batch: Batch, change: Change) -> bool:
        """See `steps.ports.Writes.advance_batch`."""
        written = self._ledger.batches.advance(batch, change, token=new_token())
        if written is None:
            return False
        version, due = written
        self._leases.moved(batch.record_id, version)
        self._change_log.written(None, change)
        self._dispatch.wake_up_at(due)
        return True

    def line_up(self, job: Job) -> Job | LostRace | None:
        """See `steps.ports.Writes.line_up`."""
        granted = self._ledger.transitions.line_up(job)
        if granted is None:
            return LostRace()
        mine = next((message for message in granted if message.job_id == job.job_id), None)
        self._dispatch.send_messages([message for message in granted if message is not mine])
        if mine is None:
            return None
        lined_up = job.model_copy(
            update={"state": State.SUBMITTING, "version": mine.version, "slot": True, "account": mine.account}
        )
        self._moved(lined_up)
        return lined_up

    def reread(self, job: Job, other: str | None = None) -> Job | None:
        """See `steps.ports.Writes.reread`."""
        job_id = other or job.job_id
        return next(iter(self._outage.until_answered(lambda: self._ledger.jobs.get_many([job_id]), job, {})), None)

    def mark_orphaned(self, job: Job) -> None:
        """See `steps.ports.Writes.mark_orphaned`."""
        self._ledger.retention.mark_orphaned(job)

    def _begin_attempt(self, job: Job, change: Change, token: str) -> Job | Refused:
        server = self._ledger.server()
        if not self._leases.begin_paying(token):
            self._ledger.transitions.release([(job.job_id, job.version)])
            return LostRace()
        try:
            with self._leases.writing(job.job_id):
                written = self._write(job, change, token)
        except LedgerSettling:
            self._leases.end_paying()
            raise
        if isinstance(written, Job):
            self._attempts.written(OpenAttempt(written, token, rescue_after=change.due_in or 0.0, server=server))
        return written

    def _restored(self, job: Job) -> Job | None:
        """Return a job at the version at which its attempt was written again."""
        self._attempts.wait_for_restoration()
        found = self.reread(job)
        if found is None or not found.attempt_open or found.attempts != job.attempts:
            return None
        return job.model_copy(update={"version": found.version, "canceling": found.canceling})

    def _write(self, job: Job, change: Change, token: str, after: str = "") -> Job | Refused:
        instead = transitions.canceled_instead(job, change)
        if not transitions.allows(job.state, instead.to):
            raise ValueError(f"no transition leads from {job.state} to {instead.to}; see contract/transitions")
        answer = self._ledger.transitions.advance(job, instead, token=token, after=after)
        if isinstance(answer, CancelRequested):  # the job was not moved: another change of it is written
            return self._write(job.model_copy(update={"canceling": answer.canceling}), change, token, after)
        if isinstance(answer, LostRace):
            return answer
        self._view.set_time(answer.at)
        for message in answer.granted:
            if read := answer.records.get(message.job_id):
                self._moved_jobs.remember_granted(message.job_id, message.version, read)
        self._dispatch.send_messages(answer.granted)
        self._dispatch.wake_up_at(answer.due, answer.opens_at)
        self._moved(answer.job)
        self._change_log.written(answer.job, instead)
        if not answer.replicated:
            raise NotReplicated(f"The attempt of job {job.job_id}")
        self._moved_jobs.remember(answer.job)
        same = instead.to is change.to or (change.to.finished and instead.to.finished)
        return answer.job if same else CanceledInstead(answer.job)

    def _moved(self, job: Job) -> None:
        self._leases.moved(job.job_id, job.version)
        context.concerns(job)
