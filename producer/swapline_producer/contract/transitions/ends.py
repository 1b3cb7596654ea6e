"""How a job ends: one change writes the end and starts its notification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract.changes import Change, Evidence, JobFields, Observations, notification_fields
from swapline_producer.contract.enums import Canceling, FailureCode, State
from swapline_producer.contract.transitions.running import polls_in
from swapline_producer.contract.transitions.table import arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.contract.jobs.job import Job, StoredPicture

AT_THE_VENDOR = (State.SUBMITTING, State.RUNNING, State.STORING)


@arrow(State.STORING, State.SUCCEEDED, "its pictures and receipt are stored")
def succeeded(
    job: Job,
    images: tuple[StoredPicture, ...],
    *,
    rescue_after: float,
    learned: JobFields | None = None,
    warnings: Sequence[str] = (),
) -> Change:
    """The pictures are stored. `learned` fields and `warnings` are this try's."""
    fields: JobFields = {**(learned or {}), "images": images}
    data: Evidence = {"warnings": list(warnings)} if warnings else {}
    return _end(job, State.SUCCEEDED, fields, data, rescue_after=rescue_after)


@arrow(State.SUBMITTING, State.FAILED, "the vendor refused it, or it alone too often; or reply unknown, policy fail")
@arrow(State.QUEUED, State.FAILED, "reply unknown, policy fail, and the ledger has lost the attempt")
@arrow(State.RUNNING, State.FAILED, "the vendor says FAILED, or does not know the job any more")
@arrow(State.STORING, State.FAILED, "its pictures are missing, broken or gone, or could not be stored in time")
def failed(  # noqa: PLR0913 -- each is one fact of the end
    job: Job,
    code: FailureCode,
    detail: str,
    *,
    rescue_after: float,
    refund: bool = False,
    service_times: Observations | None = None,
    evidence: Evidence | None = None,
    learned: JobFields | None = None,
) -> Change:
    """The job has failed. `refund`: nothing was charged.

    `service_times` go to the histograms, `evidence` to the job's log.
    """
    change = _failure(job, State.FAILED, code, detail, rescue_after=rescue_after, evidence=evidence, learned=learned)
    return change.model_copy(update={"refund": refund, "observe": service_times or {}})


@arrow(State.QUEUED, State.EXPIRED, "it waited longer than its queue TTL")
def expired(job: Job, *, rescue_after: float) -> Change:
    """The job waited too long for a slot."""
    detail = "it waited too long for a slot"
    return _failure(job, State.EXPIRED, FailureCode.QUEUE_TTL, detail, rescue_after=rescue_after)


@arrow(State.RUNNING, State.TIMED_OUT, "it ran longer than its run timeout")
@arrow(State.STORING, State.TIMED_OUT, "the vendor took COMPLETED back, and its run timeout is over")
def timed_out(
    job: Job,
    detail: str,
    *,
    rescue_after: float,
    code: FailureCode = FailureCode.RUN_TIMEOUT,
    learned: JobFields | None = None,
) -> Change:
    """The job's run timeout is over."""
    return _failure(job, State.TIMED_OUT, code, detail, rescue_after=rescue_after, learned=learned)


@arrow((State.QUEUED, State.SUBMITTING), State.CANCELED, "it was canceled before it was submitted")
def canceled_before_submission(job: Job) -> Change:
    """Cancel a job that the vendor does not have."""
    return _canceled(job, "canceled before it was submitted", data={"from": job.state}).model_copy(
        update={"refund": job.state is State.SUBMITTING}
    )


@arrow(State.HELD, State.CANCELED, "it was canceled, and its slot is free")
def canceled_unsubmitted(job: Job) -> Change:
    """Cancel a HELD job without a slot: perhaps charged."""
    return _canceled(job, "canceled; it may have been charged", data={"from": job.state})


@arrow(State.STORING, State.CANCELED, "it was canceled, and its result is not wanted")
def canceled_dropped(job: Job) -> Change:
    """Cancel a job whose result is not wanted."""
    return _canceled(job, "canceled; its result was dropped", data={"from": job.state})


@arrow(AT_THE_VENDOR, State.CANCELED, "it was canceled; what the vendor has done is paid")
@arrow(State.STORING, State.STORING, "its pictures were stored while it was canceled: they are dropped next")
def canceled_instead(job: Job, change: Change) -> Change:
    """Return what is written in place of `change` for a job that is to be canceled.

    Its return to the line and its end become CANCELED; else it goes on.
    """
    if job.canceling is None or job.state.finished or change.to is State.CANCELED:
        return change
    dropped = job.canceling is Canceling.DROP
    if change.to is State.SUCCEEDED and dropped:
        return Change(to=State.STORING, due_in=0)
    ends = change.to.finished or change.to is State.QUEUED
    if not ends and not (dropped and change.to is State.STORING and job.state is State.RUNNING):
        return change
    instead = _canceled(job, _detail(change), fields=change.fields, data={**change.data, "instead_of": change.to})
    counted = {name: by for name, by in change.count.items() if not name.startswith(("finished.", "failed."))}
    update = {"count": {**counted, **instead.count}, "sends": change.sends and change.to.finished}
    if change.to.finished:  # the step that ends the job sends its webhook on; otherwise a due dispatcher does
        update["due_in"] = change.due_in
    kept = {"to", "fields", "due_in", "due_by", "note", "data", "in_line", "sends", "count"}
    return change.model_copy(update={name: getattr(instead, name) for name in kept} | update)


def _detail(change: Change) -> str:
    match change.to:
        case State.SUCCEEDED:
            return "canceled; its result was kept"
        case State.STORING:
            return "canceled; its result was dropped"
        case State.QUEUED:
            return "canceled; " + ("it was not charged" if change.refund else "it may have been charged")
    return f"canceled; it would have been {change.to}: {change.fields.get('failure_detail')}"


def _canceled(job: Job, detail: str, *, data: Evidence, fields: JobFields | None = None) -> Change:
    """The one place that ends a job CANCELED."""
    end: JobFields = {"failure_code": FailureCode.CANCELED, "failure_detail": detail, "attempt_open": False}
    change = _end(job, State.CANCELED, {**(fields or {}), **end}, data, rescue_after=0)
    return change.model_copy(update={"sends": False})


def _failure(
    job: Job,
    to: State,
    code: FailureCode,
    detail: str,
    *,
    rescue_after: float,
    evidence: Evidence | None = None,
    learned: JobFields | None = None,
) -> Change:
    end: JobFields = {"failure_code": code, "failure_detail": detail, "attempt_open": False}
    data: Evidence = {"code": code, "detail": detail, **(evidence or {})}
    return _end(job, to, {**(learned or {}), **end}, data, rescue_after=rescue_after)


def _end(job: Job, to: State, fields: JobFields, data: Evidence, *, rescue_after: float) -> Change:
    notifies = job.spec.webhook_url is not None
    code = fields.get("failure_code")
    return Change(
        to=to,
        fields={**fields, **notification_fields(job)},
        due_in=rescue_after if notifies else None,
        sends=notifies,
        note=to.value.lower(),
        data=dict(data),
        count={f"finished.{to}": 1, **({f"failed.{code}": 1} if code else {}), **polls_in(fields)},
    )
