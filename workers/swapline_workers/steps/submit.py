"""submit: take a slot or park; write the attempt; make the one paid call; write the vendor's id.

Only a call that provably did not run is repeated; for any other failure the policy decides.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode, Job, State, Step, transitions
from swapline_producer.contract.answers import LostRace
from swapline_producer.contract.changes import BreakerTrip
from swapline_producer.errors import NotReplicated, ObjectMissing, StorageUnavailable, VendorIdInUse
from swapline_workers import errors
from swapline_workers.core.log_events import LogEvent
from swapline_workers.core.outcomes import STALE, Next, Outcome, Park, Stop, not_written
from swapline_workers.settings import AmbiguousSubmit
from swapline_workers.steps.decision import Decision, Write, carry_out, end
from swapline_workers.steps.refusals import PAUSE, back_in_line, fail_uncharged, input_unreadable, refused
from swapline_workers.steps.schedule import first_poll_delay

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Change, Evidence, JobFields
    from swapline_workers.core.outcomes import Refused
    from swapline_workers.steps.ports import Ports, Submission

log = logging.getLogger(__name__)

NOT_KNOWN_TO_BE_SENT = frozenset({State.QUEUED, State.SUBMITTING, State.HELD})
"""A late reply has the id that these jobs lack."""

WITHOUT_PICTURE = frozenset({State.RUNNING, State.STORING})

LATE_WRITES = 10
"""Lost races in a row: others' changes are seconds apart."""


def submit(job: Job, at: int, ports: Ports) -> Outcome:
    """Submit a queued job, or settle an open attempt."""
    ready = _ready(job, at, ports)
    if isinstance(ready, Job):  # what became of a paid call is known to this worker alone
        return carry_out(_attempt(ready, ports), ports.writes.advance_until_written)
    return carry_out(ready, ports.writes.advance)


def _ready(job: Job, at: int, ports: Ports) -> Job | Decision:
    """Return a job with a slot and no attempt, or what to do with any other."""
    decision: Job | Decision = Stop(f"nothing to submit in {job.state}")
    if job.state is State.QUEUED and at >= job.queue_until:
        decision = end(job, transitions.expired(job, rescue_after=ports.policy.rescue_after))
    elif job.state is State.QUEUED:
        lined_up = ports.writes.line_up(job)
        decision = STALE if isinstance(lined_up, LostRace) else lined_up or Park("waits for a slot")
    elif job.state is State.SUBMITTING and job.attempt_open:
        decision = _unknown(job, ports, "a worker stopped between sending and writing the reply", {})
    elif job.state is State.SUBMITTING:
        decision = job
    elif job.state is State.HELD and job.canceling and not job.slot:
        decision = end(job, transitions.canceled_unsubmitted(job))
    return decision


def _attempt(job: Job, ports: Ports) -> Decision:
    """Make the paid call. All that can be done before is done before the attempt is written."""
    decision: Decision
    try:
        image = ports.pictures.input_text(job.spec)
        poll_in = first_poll_delay(job, ports)  # now: nothing may come between the reply and writing its id
        sending = ports.writes.advance(job, transitions.attempted(job, rescue_after=ports.policy.rescue_after))
        if isinstance(sending, Job):
            job = sending
            decision = _accepted(job, ports, ports.vendor_of(job).submit(job.spec, image), poll_in)
        else:
            decision = not_written(sending)
    except (StorageUnavailable, ObjectMissing) as error:
        decision = input_unreadable(job, ports, error)
    except NotReplicated as error:
        decision = _not_replicated(job, ports, str(error))
    except errors.VendorError as error:
        decision = _not_accepted(job, ports, error)
    return decision


def _accepted(job: Job, ports: Ports, reply: Submission, poll_in: float) -> Decision:
    """Write the vendor's id, which must not be lost."""
    change = transitions.submitted(job, reply.vendor_job_id, reply.status, poll_in=poll_in)
    decision: Decision
    try:
        running = ports.writes.advance_until_written(job, change)
        late = _write_late(job, ports, change) if isinstance(running, LostRace) else running
        if isinstance(late, Job):
            decision = Next(late, Step.POLL, poll_in)
        else:
            decision = late if isinstance(late, Stop) else _too_late(reply)
    except VendorIdInUse as error:
        evidence: Evidence = {"vendor_job_id": reply.vendor_job_id}
        _hold_owner(job, ports, error)
        decision = _known_here(hold(job, ports, FailureCode.VENDOR_ID_IN_USE, str(error), evidence), ports)
    return decision


def _hold_owner(job: Job, ports: Ports, error: VendorIdInUse) -> None:
    """Hold the other job with this id, if both calls were under way together.

    An id written before this call was made is its job's own.
    """
    called_at = (job.run_until or 0) - job.run_timeout_ms
    for _ in range(LATE_WRITES):
        owner = ports.writes.reread(job, error.owner)
        if owner is None or owner.state not in WITHOUT_PICTURE or (owner.submitted_at or 0) < called_at:
            return
        shared = transitions.id_shared(owner, str(error), {"vendor_job_id": owner.vendor_job_id})
        if not isinstance(ports.writes.advance_until_written(owner, shared), LostRace):
            return


def _too_late(reply: Submission) -> Stop:
    log.error(
        "vendor id came too late: %s was paid for, and the job has moved on, or is gone; ask the vendor",
        reply.vendor_job_id,
        extra={"event_name": LogEvent.VENDOR_ID_LATE, "vendor_job_id": reply.vendor_job_id},
    )
    return Stop(f"the vendor's id {reply.vendor_job_id} came too late: the job has moved on, or is gone")


def _not_accepted(job: Job, ports: Ports, error: errors.VendorError) -> Decision:
    decision: Decision
    if isinstance(error, errors.Refused):
        decision = fail_uncharged(job, ports, error.code, str(error), error.evidence)
    elif isinstance(error, errors.Unclear) and error.code:
        decision = _known_here(hold(job, ports, error.code, str(error), error.evidence), ports)
    elif type(error) in PAUSE:
        decision = refused(job, ports, error)
    else:
        decision = _known_here(_unknown(job, ports, str(error), error.evidence), ports)
    return decision


def _unknown(job: Job, ports: Ports, reason: str, evidence: Evidence) -> Write:
    """Decide about a call that may have run and been charged."""
    match ports.policy.on_ambiguous_submit:
        case AmbiguousSubmit.HOLD:
            decision = hold(job, ports, FailureCode.SUBMIT_UNKNOWN, reason, evidence)
        case AmbiguousSubmit.RETRY:
            decision = Write(job, transitions.requeued(job, reason, evidence), lambda _: Park("ambiguous"))
        case AmbiguousSubmit.FAIL:
            code, rescue_after = FailureCode.SUBMIT_UNKNOWN, ports.policy.rescue_after
            decision = end(job, transitions.failed(job, code, reason, rescue_after=rescue_after))
    return decision


def hold(job: Job, ports: Ports, code: FailureCode, reason: str, evidence: Evidence) -> Write:
    """Have a person decide about a paid call."""
    change = transitions.held(job, code, reason, evidence, rescue_after=ports.policy.rescue_after)
    return Write(job, change, lambda held: Next(held, Step.NOTIFY) if change.sends else Stop(f"held: {reason}"))


def _not_replicated(job: Job, ports: Ports, reason: str) -> Decision:
    """Line the job up again: a fail-over could lose the attempt, which would be paid twice."""
    found = ports.writes.reread(job)
    if found is None or not found.attempt_open or found.version != job.version + 1:
        return STALE
    return back_in_line(found, BreakerTrip(reason=reason))


def _write_late(job: Job, ports: Ports, change: Change) -> Job | Stop | None:
    """Write a reply that came after the job was given up, or the ledger lost its last writes.

    Only where no attempt followed; repeated where the job moves meanwhile.
    """
    vendor_job_id = change.fields["vendor_job_id"]
    for _ in range(LATE_WRITES):
        found = ports.writes.reread(job)
        if found is not None and (found.account, found.vendor_job_id) == (job.account, vendor_job_id):
            return STALE  # a try whose reply got lost had written it
        if found is None or found.state not in NOT_KNOWN_TO_BE_SENT or found.attempts > job.attempts:
            return None
        running = ports.writes.advance_until_written(found, _on_account_of(job, found, change))
        if isinstance(running, Job):
            return running
    return None


def _known_here(decision: Write, ports: Ports) -> Write:
    """Write that a call is unknown also where the ledger has lost the attempt: it would be paid again."""

    def write_forgotten(answer: Refused) -> Outcome:
        job, change = decision.job, decision.change
        for _ in range(LATE_WRITES if isinstance(answer, LostRace) and change.to is not State.QUEUED else 0):
            found = ports.writes.reread(job)
            if found is None or found.state not in transitions.FORGOTTEN or found.attempts >= job.attempts:
                break
            lost: JobFields = {"attempts": job.attempts, "run_until": job.run_until}
            again = _on_account_of(job, found, change)
            again = again.model_copy(update={"fields": {**again.fields, **lost}})
            written = ports.writes.advance_until_written(found.model_copy(update={"slot": True}), again)
            if isinstance(written, Job):
                return decision.then(written)
        return not_written(answer)

    return replace(decision, otherwise=write_forgotten)


def _on_account_of(job: Job, found: Job, change: Change) -> Change:
    """Have the job belong to the account that was called, whichever gave it a slot meanwhile."""
    if found.account == job.account:
        return change
    return change.model_copy(update={"fields": {**change.fields, "account": job.account}})
