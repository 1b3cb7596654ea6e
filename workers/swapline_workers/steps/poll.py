"""poll: ask the vendor once for the status of a job that runs; COMPLETED passes the slot on and reads the pictures.

A status that is not terminal, known or not, and every kind of no answer move the job's `due` entry: the next poll.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode, Job, State
from swapline_producer.contract.changes import BreakerTrip, Change, FieldValue
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Outcome, Stop
from swapline_workers.core.retry import backoff
from swapline_workers.core.schedule import polling
from swapline_workers.steps import status
from swapline_workers.steps.collect import collect, pass_slot_on
from swapline_workers.steps.finish import fail
from swapline_workers.steps.schedule import next_poll_delay, service_time_sample
from swapline_workers.steps.storing import bad_output, try_again

if TYPE_CHECKING:
    from pydantic import JsonValue

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
"""What concerns everybody, not this job: no new submission is made for so long. It does not grow, because every look at
every job says it again; else a minute of it would stop the line for a minute more."""


def poll(job: Job, _at: int, ports: Ports) -> Outcome:
    """Ask once."""
    if job.state is not State.RUNNING or job.vendor_job_id is None:
        return Stop(f"nothing to poll in {job.state}")
    try:
        with ports.vendor.poll(job.vendor_job_id, job.spec.api_version) as reply:
            if reply.status != status.COMPLETED:
                return _not_completed(job, reply, ports)
            if (completed := pass_slot_on(job, reply, ports)) is None:
                return STALE
            job = completed
            return collect(job, reply, ports)
    except (errors.OutputMissing, errors.OutputInvalid) as error:
        return bad_output(job, ports, error, {})
    except errors.VendorError as error:
        return _no_news(job, error, ports) if job.state is State.RUNNING else _not_read(job, error, ports)


def _not_completed(job: Job, reply: StatusReply, ports: Ports) -> Outcome:
    if reply.status in status.ENDED:
        code, detail = status.failure(reply)
        observe = service_time_sample(job, reply, ports)
        return fail(job, ports, code, detail, observe=observe, evidence={"vendor_status": reply.status})
    if status.out_of_time(job, ports):
        return _timed_out(job, ports, f"the vendor's last word was {reply.status}")
    return status.poll_later(job, reply, ports)


def _no_news(job: Job, error: errors.VendorError, ports: Ports) -> Outcome:
    """No answer says nothing about the job: it is polled again, later."""
    if isinstance(error, errors.NotFound) and status.forgotten(job, ports):
        return fail(job, ports, FailureCode.LOST, status.lost(error))
    if status.out_of_time(job, ports):
        code = error.code if isinstance(error, errors.Unclear) else None
        return _timed_out(job, ports, f"the last poll failed: {error}", code)
    fields: dict[str, FieldValue] = {
        "not_found": job.not_found + 1 if isinstance(error, errors.NotFound) else 0,
        "silent": job.silent + 1,
    }
    wait = max(next_poll_delay(job, ports), polling.growing_wait(job.silent, ports.policy.polls))
    if type(error) in STOPPED:
        wait = max(wait, backoff(job.polls, longest=ports.policy.polls.longest))
    if isinstance(error, errors.Throttled):
        wait = max(wait, error.retry_after or 1.0)
    trip = STOPPED.get(type(error))
    data: dict[str, JsonValue] = dict(error.evidence) if trip else {}
    change = Change(to=job.state, fields=fields, count=status.no_news(error), trip=trip, data=data)
    return status.poll_again(job, ports, wait, str(error), change)


def _not_read(job: Job, error: errors.VendorError, ports: Ports) -> Outcome:
    """The pictures of a completed job broke off on the wire: finalize reads them again."""
    return try_again(job, ports, str(error), {}, count=status.no_news(error))


def _timed_out(job: Job, ports: Ports, detail: str, code: FailureCode | None = None) -> Outcome:
    return fail(job, ports, code or FailureCode.RUN_TIMEOUT, detail, to=State.TIMED_OUT)
