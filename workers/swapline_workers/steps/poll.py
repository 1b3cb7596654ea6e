"""poll: ask the vendor once for a running job's status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode, Job, State, transitions
from swapline_producer.contract.changes import BreakerTrip
from swapline_workers import errors
from swapline_workers.core.outcomes import Again, Outcome, Stop
from swapline_workers.core.retry import backoff
from swapline_workers.core.schedule import polling
from swapline_workers.steps import status
from swapline_workers.steps.collect import take_over
from swapline_workers.steps.decision import Decision, Write, carry_out, end
from swapline_workers.steps.refusals import named
from swapline_workers.steps.schedule import next_poll_delay, service_time_sample

if TYPE_CHECKING:
    from swapline_workers.steps.ports import Ports, StatusReply

STOPPED = {
    errors.Unauthorized: BreakerTrip(
        kind="unauthorized",
        reason="the vendor refuses the key: check SWAPLINE_API_KEY and _HEADER",
        wait=5.0,
        longest=5.0,
    ),
    errors.OutOfCredits: BreakerTrip(
        kind="credits", reason="the account is out of credits: buy some", wait=5.0, longest=5.0
    ),
}
"""No submission for 5 s; polls repeat it, so the pause need not grow."""


def poll(job: Job, _at: int, ports: Ports) -> Outcome:
    """Poll once."""
    if job.state is not State.RUNNING or job.vendor_job_id is None:
        return Stop(f"nothing to poll in {job.state}")
    try:
        with ports.vendor_of(job).poll(job.vendor_job_id, job.spec.api_version) as reply:
            completed = reply.status == status.COMPLETED
            decision = take_over(job, reply, ports) if completed else _not_completed(job, reply, ports)
    except errors.VendorError as error:
        decision = _no_answer(job, error, ports)
    return carry_out(decision, ports.writes.advance)


def _not_completed(job: Job, reply: StatusReply, ports: Ports) -> Decision:
    """End a job whose status is an end; else poll it again, until its run timeout."""
    decision: Decision
    if reply.status in status.ENDED:
        code, detail = status.failure(reply)
        change = transitions.failed(
            job,
            code,
            detail,
            rescue_after=ports.policy.rescue_after,
            service_times=service_time_sample(job, reply, ports),
            evidence={"vendor_status": reply.status},
        )
        decision = end(job, change)
    elif status.out_of_time(job, ports):
        decision = _timed_out(job, ports, f"the vendor's last status was {reply.status}")
    else:
        wait = next_poll_delay(job, ports, answered_after=reply.answered_after)
        change = transitions.polled(job, reply.status, poll_in=wait, count=status.poll_counts(reply))
        ports.writes.advance_soon(job, change)
        decision = Again(wait, f"the vendor says {reply.status}")
    return decision


def _no_answer(job: Job, error: errors.VendorError, ports: Ports) -> Decision:
    """Poll again after a failed poll, until the job is lost or its run timeout is over."""
    not_found = isinstance(error, errors.NotFound)
    if not_found and status.forgotten(job, ports):
        rescue_after = ports.policy.rescue_after
        decision = end(job, transitions.failed(job, FailureCode.LOST, status.lost(error), rescue_after=rescue_after))
    elif status.out_of_time(job, ports):
        code = error.code if isinstance(error, errors.Unclear) else None
        decision = _timed_out(job, ports, f"the last poll failed: {error}", code)
    else:
        wait, trip = _wait_after(error, job, ports), STOPPED.get(type(error))
        trip = named(trip, job, ports) if trip else None
        change = transitions.no_answer(
            job,
            not_found=not_found,
            poll_in=wait,
            count=status.no_answer_counts(error),
            trip=trip,
            evidence=error.evidence if trip else {},
        )
        decision = Write(job, change, lambda _: Again(wait, str(error)))
    return decision


def _wait_after(error: errors.VendorError, job: Job, ports: Ports) -> float:
    wait = max(next_poll_delay(job, ports), polling.growing_wait(job.silent, ports.policy.polls))
    if type(error) in STOPPED:
        wait = max(wait, backoff(job.polls, longest=ports.policy.polls.longest))
    if isinstance(error, errors.Throttled):
        wait = max(wait, error.retry_after or 1.0)
    return wait


def _timed_out(job: Job, ports: Ports, detail: str, code: FailureCode | None = None) -> Write:
    code, rescue_after = code or FailureCode.RUN_TIMEOUT, ports.policy.rescue_after
    return end(job, transitions.timed_out(job, detail, rescue_after=rescue_after, code=code))
