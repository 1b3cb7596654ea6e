"""Submissions that provably did not run. lua/parts/breaker.lua tells the account's from a job's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapline_producer.contract import FailureCode, Job, StoredImage, transitions
from swapline_producer.contract.changes import BreakerTrip
from swapline_producer.errors import ObjectMissing
from swapline_workers import errors
from swapline_workers.core.outcomes import Park
from swapline_workers.steps.decision import Decision, Write, end

if TYPE_CHECKING:
    from swapline_producer.contract.changes import Evidence
    from swapline_producer.errors import StorageUnavailable
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
"""The account's; the job is tried again, uncharged."""


class Own(NamedTuple):
    """How a job fails that alone is refused."""

    code: FailureCode
    refusals: int
    """Before the last one, in a row."""


OWN = {
    "unauthorized": Own(FailureCode.UNAUTHORIZED, 3),
    "credits": Own(FailureCode.OUT_OF_CREDITS, 3),
    "address": Own(FailureCode.VENDOR_REJECTED, 3),
    "throttled": Own(FailureCode.VENDOR_REJECTED, 5),
    "input": Own(FailureCode.STORAGE_FAILED, 5),
}
"""Half a minute or more in all: random refusals fail no job.

`unreachable` is never the job's own.
"""


def input_unreadable(job: Job, ports: Ports, error: StorageUnavailable | ObjectMissing) -> Decision:
    """Decide about an unreadable input: no call was made."""
    if isinstance(error, ObjectMissing):
        return fail_uncharged(job, ports, FailureCode.STORAGE_FAILED, f"the input is gone: {error}", {})
    image, reason = job.spec.image, f"the input cannot be read: {error}"
    about = image.sha256 if isinstance(image, StoredImage) else ""
    return _retry_or_fail(job, ports, BreakerTrip(kind="input", reason=reason, about=about), reason, {})


def refused(job: Job, ports: Ports, error: errors.VendorError) -> Decision:
    """Decide about a call that provably did not run."""
    pause = named(PAUSE[type(error)], job, ports)
    if isinstance(error, errors.Throttled) and error.retry_after:
        longest = max(error.retry_after, pause.longest)
        pause = pause.model_copy(update={"wait": error.retry_after, "longest": longest, "asked": True})
    return _retry_or_fail(job, ports, pause, str(error), error.evidence)


def named(trip: BreakerTrip, job: Job, ports: Ports) -> BreakerTrip:
    """Say of which account a refusal is, where there are several."""
    if ports.accounts is None:
        return trip
    what = trip.reason.partition(":")[0]
    return trip.model_copy(update={"reason": f"{what}: check the account {job.account!r} in SWAPLINE_ACCOUNTS"})


def _retry_or_fail(job: Job, ports: Ports, pause: BreakerTrip, detail: str, evidence: Evidence) -> Decision:
    own = OWN.get(pause.kind)
    if own and job.refused_as == pause.kind and job.own_refusals >= own.refusals:
        detail = f"{detail}; other jobs were accepted meanwhile, so it is this one that is refused"
        return fail_uncharged(job, ports, own.code, detail, evidence)
    return back_in_line(job, pause, evidence)


def fail_uncharged(job: Job, ports: Ports, code: FailureCode, detail: str, evidence: Evidence) -> Decision:
    """End a job whose call provably did not run."""
    rescue_after = ports.policy.rescue_after
    change = transitions.failed(job, code, detail, rescue_after=rescue_after, refund=True, evidence=evidence)
    return end(job, change)


def back_in_line(job: Job, pause: BreakerTrip, evidence: Evidence | None = None) -> Decision:
    """Line an uncharged job up again after a pause."""
    return Write(job, transitions.refused(job, pause, evidence or {}), lambda _: Park("not submitted"))
