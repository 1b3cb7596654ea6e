"""What becomes of a job in STORING whose pictures are not stored yet: tried again, or given up at its deadline.

The vendor's work is paid. So a try is made until the store timeout is over, and before a job ends without its pictures
its receipt is looked for: a worker may have stored them and died before it could say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import FailureCode, Job, State
from swapline_producer.contract.changes import Change, FieldValue
from swapline_producer.errors import StorageUnavailable
from swapline_workers.core.outcomes import STALE, Again, Outcome, Retry
from swapline_workers.core.retry import backoff
from swapline_workers.steps.finish import fail, polls_in, succeed
from swapline_workers.steps.status import NO_NEWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swapline_workers.core.picture_memory import Place
    from swapline_workers.errors import OutputInvalid, OutputMissing
    from swapline_workers.steps.ports import Ports

    Learned = dict[str, FieldValue]
    """Fields to write that this try has learned; `polls` among them where it asked the vendor."""

BAD_OUTPUTS = 3
"""Readings in a row of an output that is missing or broken before it is believed: one can be the wire's fault."""

PLACE_AGAIN = 2.0
"""Seconds until a job without a place in memory asks again: a slow store takes about as long for what is before it."""

STORE_FAILED = {"store_retries": 1}
"""What to count of a try that the store refused."""

SECONDS = 1000


def wait_for_place(job: Job, ports: Ports) -> Outcome:
    """Wait: this worker has the pictures of as many jobs in memory as it may. Nothing failed."""
    change = Change(to=State.STORING, due_in=PLACE_AGAIN, count={"store_full": 1})
    return Again(PLACE_AGAIN, "no room for more pictures") if ports.session.advance(job, change) else STALE


def try_again(
    job: Job,
    ports: Ports,
    reason: str,
    learned: Learned,
    *,
    at_least: float = 0.0,
    place: Place | None = None,
    count: Mapping[str, int] = NO_NEWS,
) -> Outcome:
    """Have the pictures read and stored later, in `at_least` seconds.

    Those in `place`, which the store did not take, are kept until then. `count` says whose failure it was.
    """
    if _overdue(job, ports):
        return give_up(job, ports, FailureCode.STORE_TIMEOUT, f"it could not be stored in time: {reason}", learned)
    tries = job.retries + 1
    wait = max(backoff(tries), at_least)
    change = Change(
        to=State.STORING,
        fields={"retries": tries, **learned},
        due_in=wait,
        note="not stored",
        data={"reason": reason, "tries": tries},
        count={**count, **polls_in(learned)},
        store_failed=None if place is None else reason,
    )
    later = ports.session.advance(job, change)
    if later is None:
        return STALE
    if place is not None:
        place.keep(later, place.pictures, wait)
    return Retry(wait, reason)


def bad_output(job: Job, ports: Ports, error: OutputMissing | OutputInvalid, learned: Learned) -> Outcome:
    """Read an output again that is missing or broken; believe it the third time."""
    readings = job.bad_outputs + 1
    if readings < BAD_OUTPUTS:
        return try_again(job, ports, str(error), {**learned, "bad_outputs": readings})
    return give_up(job, ports, error.code, str(error), learned)


def give_up(
    job: Job, ports: Ports, code: FailureCode, detail: str, learned: Learned, *, to: State = State.FAILED
) -> Outcome:
    """End a job whose pictures cannot be had, unless its receipt says that they are stored."""
    try:
        images = ports.pictures.stored(job)
    except StorageUnavailable as error:
        if not _overdue(job, ports):
            reason = f"{detail}; whether it is stored cannot be seen: {error}"
            return try_again(job, ports, reason, learned, count=STORE_FAILED)
        images = ()
    if images:
        return succeed(job, ports, {**learned, "images": images}, ["stored before, as its receipt says"])
    return fail(job, ports, code, detail, to=to, learned=learned)


def _overdue(job: Job, ports: Ports) -> bool:
    since = job.storing_since or ports.session.now()
    return ports.session.now() >= since + ports.policy.store_timeout * SECONDS
