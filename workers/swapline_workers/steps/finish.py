"""How a job ends, whatever the step: one move that writes the end and starts the notification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode, Job, State, Step
from swapline_producer.contract.changes import Change, FieldValue, notification_fields
from swapline_workers.core.outcomes import STALE, Next, Outcome, Stop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from swapline_workers.steps.ports import Ports


def polls_in(fields: dict[str, FieldValue]) -> dict[str, int]:
    """Return what to count of a move that writes a job's number of polls."""
    return {"polls": 1} if "polls" in fields else {}


def succeed(job: Job, ports: Ports, fields: dict[str, FieldValue], warnings: list[str]) -> Outcome:
    """End a job well; `warnings` go to its log."""
    data: dict[str, JsonValue] = {"warnings": list(warnings)} if warnings else {}
    return _finish(job, ports, State.SUCCEEDED, fields, data)


def fail(  # noqa: PLR0913 -- each is one fact of the end
    job: Job,
    ports: Ports,
    code: FailureCode,
    detail: str,
    *,
    to: State = State.FAILED,
    refund: bool = False,
    observe: dict[str, dict[int, float]] | None = None,
    evidence: Mapping[str, JsonValue] | None = None,
    learned: Mapping[str, FieldValue] | None = None,
) -> Outcome:
    """End a job badly: FAILED, or EXPIRED or TIMED_OUT. `refund`: a slot was taken, and nothing was charged.

    `observe` goes to the histograms, `evidence` (what the vendor said) to the job's log; `learned` are more fields.
    """
    end: dict[str, FieldValue] = {"failure_code": code, "failure_detail": detail, "attempt_open": False}
    data = {"code": code, "detail": detail, **(evidence or {})}
    return _finish(job, ports, to, {**(learned or {}), **end}, data, refund=refund, observe=observe)


def _finish(
    job: Job,
    ports: Ports,
    to: State,
    fields: dict[str, FieldValue],
    data: dict[str, JsonValue],
    *,
    refund: bool = False,
    observe: dict[str, dict[int, float]] | None = None,
) -> Outcome:
    tells = job.spec.webhook_url is not None
    code = fields.get("failure_code")
    change = Change(
        to=to,
        fields={**fields, **notification_fields(job)},
        due_in=ports.policy.rescue_after if tells else None,
        sends=tells,
        note=to.value.lower(),
        data=data,
        count={f"finished.{to}": 1, **({f"failed.{code}": 1} if code else {}), **polls_in(fields)},
        refund=refund,
        observe=observe or {},
    )
    done = ports.session.advance(job, change)
    if done is None:
        return STALE
    return Next(done, Step.NOTIFY) if tells else Stop(to.value)
