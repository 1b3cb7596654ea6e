"""Refusals of a submission that provably did not run: tried again, or the end of a job that alone is refused.

Whose fault a refusal is, the account's or the job's own, is found out by the ledger: see its lua/breaker.lua.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract import FailureCode, Job, State, StoredImage
from swapline_producer.contract.changes import BreakerTrip, Change
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Outcome, Park
from swapline_workers.steps.finish import fail

if TYPE_CHECKING:
    from pydantic import JsonValue

    from swapline_workers.steps.ports import Ports

PAUSE = {
    errors.NotSent: BreakerTrip(kind="unreachable", reason="the vendor could not be reached"),
    errors.Throttled: BreakerTrip(
        kind="throttled", reason="the vendor says that we are too fast or over its cap", shrink=True
    ),
    errors.Unauthorized: BreakerTrip(
        kind="unauthorized", reason="the vendor refuses the key: check SWAPLINE_API_KEY and _HEADER", wait=5.0
    ),
    errors.OutOfCredits: BreakerTrip(
        kind="credits", reason="the account is out of credits: buy some", wait=5.0, longest=300.0
    ),
    errors.NotFound: BreakerTrip(
        kind="address", reason="the vendor has no such address: check SWAPLINE_API_BASE_URL", wait=5.0
    ),
}
"""What each refusal pauses, and for how long; the job is tried again, uncharged."""


class Own(NamedTuple):
    """How a job ends that is refused for its own sake."""

    code: FailureCode
    refusals: int
    """Refusals of its own before the last one, in a row; each pause is twice the one before."""


OWN = {
    "unauthorized": Own(FailureCode.UNAUTHORIZED, 3),
    "credits": Own(FailureCode.OUT_OF_CREDITS, 3),
    "address": Own(FailureCode.VENDOR_REJECTED, 3),
    "throttled": Own(FailureCode.VENDOR_REJECTED, 5),
    "input": Own(FailureCode.STORAGE_FAILED, 5),
}
"""By the kind of the refusal: half a minute or more in all, since a vendor that refuses every second call at random
must not look like a job that is always refused. No call was made where the vendor could not be reached: that is never
the job's own."""


def unreadable(job: Job, ports: Ports, reason: str) -> Outcome:
    """The job's input cannot be read: no call was made."""
    image = job.spec.image
    about = image.sha256 if isinstance(image, StoredImage) else ""
    return _retry_or_fail(job, ports, BreakerTrip(kind="input", reason=reason, about=about), reason, {})


def refused(job: Job, ports: Ports, error: errors.VendorError) -> Outcome:
    """The vendor, or the way to it, refused the call: it provably did not run."""
    pause = PAUSE[type(error)]
    if isinstance(error, errors.Throttled) and error.retry_after:
        longest = max(error.retry_after, pause.longest)
        pause = pause.model_copy(update={"wait": error.retry_after, "longest": longest, "asked": True})
    return _retry_or_fail(job, ports, pause, str(error), dict(error.evidence))


def _retry_or_fail(job: Job, ports: Ports, pause: BreakerTrip, words: str, evidence: dict[str, JsonValue]) -> Outcome:
    """Try the job again later, or end it, uncharged, where it alone was refused so often."""
    own = OWN.get(pause.kind)
    if own and job.refused_as == pause.kind and job.own_refusals >= own.refusals:
        detail = f"{words}; other jobs were accepted meanwhile, so it is this one that is refused"
        return fail(job, ports, own.code, detail, refund=True, evidence=evidence)
    return back_in_line(job, ports, pause, evidence)


def back_in_line(job: Job, ports: Ports, pause: BreakerTrip, evidence: dict[str, JsonValue] | None = None) -> Outcome:
    """Nothing was charged: the job keeps its age, and is tried again after a pause."""
    data: dict[str, JsonValue] = {"reason": pause.reason, **(evidence or {})}
    count = {"not_submitted": 1}
    change = Change(to=State.QUEUED, note="not submitted", data=data, trip=pause, count=count, refund=True)
    return requeue(job, ports, change)


def requeue(job: Job, ports: Ports, change: Change) -> Outcome:
    """Put the job back into the waiting line, with its age."""
    update = {"fields": {"attempt_open": False}, "in_line": True, "due_by": "queue_until"}
    requeued = ports.session.advance(job, change.model_copy(update=update))
    return Park(change.note or "back in line") if requeued else STALE
