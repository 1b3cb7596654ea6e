"""submit: take a slot or park; write the attempt; make the one paid call; write the vendor's id.

Only what provably did not run is tried again by itself: a connection that was never made, a 429, a refused key, no
credits. Whatever else goes wrong after the call was begun leaves its outcome unknown, and the policy decides.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from swapline_producer.contract import CREDITS_PER_JOB, FailureCode, Job, Notification, State, Step, StoredImage
from swapline_producer.contract.changes import BreakerTrip, Change, notification_fields
from swapline_producer.errors import NotReplicated, ObjectMissing, StorageUnavailable, VendorIdInUse
from swapline_workers import errors
from swapline_workers.core.log_events import LogEvent
from swapline_workers.core.outcomes import STALE, Next, Outcome, Park, Stop
from swapline_workers.settings import AmbiguousSubmit
from swapline_workers.steps.finish import fail
from swapline_workers.steps.refusals import PAUSE, back_in_line, refused, requeue, unreadable
from swapline_workers.steps.schedule import first_poll_delay

if TYPE_CHECKING:
    from pydantic import JsonValue

    from swapline_workers.steps.ports import Ports, Submission

log = logging.getLogger(__name__)

NOT_KNOWN_TO_BE_SENT = frozenset({State.QUEUED, State.SUBMITTING, State.HELD})
"""States in which a job waits for its vendor's id, or for a call that brings one."""

LATE_TRIES = 10
"""Races that a late reply may lose in a row: others' moves are seconds apart, so one is rare."""


def submit(job: Job, at: int, ports: Ports) -> Outcome:
    """Bring a queued job to the vendor, or settle an attempt that was left open."""
    if job.state is State.QUEUED:
        if at >= job.queue_until:
            return fail(job, ports, FailureCode.QUEUE_TTL, "it waited too long for a slot", to=State.EXPIRED)
        lined_up = ports.session.line_up(job)
        if lined_up is None or lined_up.state is State.QUEUED:
            return Park("waits for a slot") if lined_up else STALE
        job = lined_up
    if job.state is State.HELD and job.canceling and not job.slot:
        return fail(job, ports, FailureCode.CANCELED, "canceled; it may have been charged", to=State.CANCELED)
    if job.state is not State.SUBMITTING:
        return Stop(f"nothing to submit in {job.state}")
    if job.attempt_open:
        return settle_unknown(job, ports, "a worker stopped between sending and writing the reply", {})
    return attempt(job, ports)


def attempt(job: Job, ports: Ports) -> Outcome:
    """Make the paid call. Everything that can be done before the attempt is written is done before."""
    try:
        image = ports.pictures.input_text(job.spec)
    except StorageUnavailable as error:
        return unreadable(job, ports, f"the input cannot be read: {error}")
    except ObjectMissing as error:
        return fail(job, ports, FailureCode.STORAGE_FAILED, f"the input is gone: {error}", refund=True)
    wait = first_poll_delay(job, ports)  # now: nothing may come between the reply and writing its id
    try:
        sending = ports.session.advance(job, _written_attempt(job, ports))
    except NotReplicated as error:
        return _not_safe(job, ports, str(error))
    if sending is None:
        return STALE
    try:
        reply = ports.vendor.submit(sending.spec, image)
    except errors.VendorError as error:
        return settle_refusal(sending, ports, error)
    return settle_accepted(sending, ports, reply, wait)


def settle_accepted(job: Job, ports: Ports, reply: Submission, wait: float) -> Outcome:
    """Write the vendor's id; this must not be forgotten. `wait` is seconds to the first look."""
    change = Change(
        to=State.RUNNING,
        fields={
            "vendor_job_id": reply.vendor_job_id,
            "vendor_status": reply.status,
            "attempts": job.attempts,
            "attempt_open": False,
            "credits": job.credits + CREDITS_PER_JOB,
            "failure_code": None,
            "failure_detail": None,
            "notification": Notification.NONE,
            "polled_at": None,
            "silent": 0,
            **({"refused_as": None, "own_refusals": None} if job.refused_as else {}),
        },
        stamps={"submitted_at": 0, "run_until": job.run_timeout_ms / 1000},
        due_in=wait,
        due_by="run_until",
        note="submitted",
        data={"vendor_job_id": reply.vendor_job_id, "status": reply.status},
        count={"submitted": 1, "credits": CREDITS_PER_JOB},
        close_breaker=True,
    )
    try:
        running = ports.session.advance_until_written(job, change) or _written_late(job, ports, change)
    except VendorIdInUse as error:
        return hold(job, ports, FailureCode.VENDOR_ID_IN_USE, str(error), {"vendor_job_id": reply.vendor_job_id})
    if running is None:
        log.error(
            "vendor id came too late: %s was paid for and the job has moved on; compare it with the vendor's records",
            reply.vendor_job_id,
            extra={"event_name": LogEvent.VENDOR_ID_LATE, "vendor_job_id": reply.vendor_job_id},
        )
        return Stop(f"the vendor's id {reply.vendor_job_id} came too late: the job has moved on")
    return Next(running, Step.POLL, wait)


def settle_refusal(job: Job, ports: Ports, error: errors.VendorError) -> Outcome:
    """The call failed: the job's own fault, the account's, or nobody knows whose."""
    if isinstance(error, errors.Refused):
        return fail(job, ports, error.code, str(error), refund=True, evidence=dict(error.evidence))
    if isinstance(error, errors.Unclear) and error.code:
        return hold(job, ports, error.code, str(error), dict(error.evidence))
    if type(error) in PAUSE:
        return refused(job, ports, error)
    return settle_unknown(job, ports, str(error), dict(error.evidence))


def settle_unknown(job: Job, ports: Ports, reason: str, evidence: dict[str, JsonValue]) -> Outcome:
    """A paid call whose reply is unknown: hold the job for a person, send it again, or give it up."""
    policy = ports.policy.on_ambiguous_submit
    if policy is AmbiguousSubmit.FAIL:
        return fail(job, ports, FailureCode.SUBMIT_UNKNOWN, reason)
    if policy is AmbiguousSubmit.RETRY:
        data: dict[str, JsonValue] = {"reason": reason, "attempt": job.attempts, **evidence}
        return requeue(job, ports, Change(to=State.QUEUED, note="ambiguous", data=data, count={"ambiguous": 1}))
    return hold(job, ports, FailureCode.SUBMIT_UNKNOWN, reason, evidence)


def hold(job: Job, ports: Ports, code: FailureCode, reason: str, evidence: dict[str, JsonValue]) -> Outcome:
    """Have a person decide about a paid call, whatever the policy for those whose outcome is unknown."""
    tells = job.spec.webhook_url is not None
    change = Change(
        to=State.HELD,
        fields={
            "attempt_open": False,
            "failure_code": code,
            "failure_detail": reason,
            **notification_fields(job),
        },
        stamps={"held_at": 0},
        due_in=ports.policy.rescue_after if tells else None,
        due_by="run_until",
        sends=tells,
        note="held",
        data={"reason": reason, "attempt": job.attempts, **evidence},
        count={"ambiguous": 1, "held": 1},
    )
    held = ports.session.advance(job, change)
    if held is None:
        return STALE
    return Next(held, Step.NOTIFY) if tells else Stop(f"held: {reason}")


def _not_safe(job: Job, ports: Ports, reason: str) -> Outcome:
    """The attempt is written, but a fail-over could forget it, and the call would be paid twice: it is not made."""
    found = ports.session.reread(job)
    written = found.attempt_open and found.version == job.version + 1
    return back_in_line(found, ports, BreakerTrip(reason=reason)) if written else STALE


def _written_attempt(job: Job, ports: Ports) -> Change:
    return Change(
        to=State.SUBMITTING,
        fields={"attempts": job.attempts + 1, "attempt_open": True},
        stamps={"run_until": job.run_timeout_ms / 1000},
        due_in=ports.policy.rescue_after,
        note="attempt",
        data={"attempt": job.attempts + 1, "api_version": job.spec.api_version},
        count={"attempts": 1},
        input_read=isinstance(job.spec.image, StoredImage),
    )


def _written_late(job: Job, ports: Ports, change: Change) -> Job | None:
    """The reply came after the job had been given up for unknown, or after the ledger had lost its last writes.

    Where nobody has sent the job since, it is unknown no more. Somebody may move it meanwhile (a webhook is told, a
    person puts it back into the line), so the look is repeated: this id was paid for.
    """
    for _ in range(LATE_TRIES):
        found = ports.session.reread(job)
        if found.state not in NOT_KNOWN_TO_BE_SENT or found.attempts > job.attempts:
            return None
        if running := ports.session.advance_until_written(found, change):
            return running
    return None
