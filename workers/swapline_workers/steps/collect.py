"""The second half of a look that found COMPLETED: pass the slot on, then read, check and stage the pictures.

The slot goes on before the pictures are read: megabytes on the wire must not keep the next job waiting.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from swapline_producer.contract import Job, State, Step, StoredPicture
from swapline_producer.contract.changes import Change, FieldValue
from swapline_producer.errors import StorageError
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Again, Next, Outcome, Retry
from swapline_workers.core.reply.png import size_of
from swapline_workers.core.retry import backoff
from swapline_workers.steps.finish import fail
from swapline_workers.steps.schedule import detection_delay, service_time_sample

if TYPE_CHECKING:
    from swapline_workers.steps.ports import Ports, StatusReply

BAD_OUTPUTS = 3
"""Readings of an output that is missing or broken before it is believed: one can be the wire's fault."""


ROOM_AGAIN = 2.0
"""Seconds until a job without room looks again: a store that is slow takes about as long for what is before it."""


def collect(job: Job, look: StatusReply, ports: Ports) -> Outcome:
    """Fetch the pictures of a completed job into staging."""
    passed = _pass_slot_on(job, look, ports) if job.state is State.RUNNING else job
    if passed is None:
        return STALE
    with ports.pictures.room() as there_is_room:
        return _fetch(passed, look, ports) if there_is_room else wait_for_room(passed, ports)


def wait_for_room(job: Job, ports: Ports) -> Outcome:
    """This worker has as many pictures in memory as it can hold: the store is slow. The job waits; nothing failed."""
    change = Change(to=State.STORING, due_in=ROOM_AGAIN, count={"store_full": 1})
    return Again(ROOM_AGAIN, "no room for more pictures") if ports.session.advance(job, change) else STALE


def _fetch(job: Job, look: StatusReply, ports: Ports) -> Outcome:
    try:
        pictures = look.pictures()
        checked = tuple(_facts(job, number, picture, ports) for number, picture in enumerate(pictures))
        ports.pictures.stage(job, pictures)
    except (errors.OutputMissing, errors.OutputInvalid) as error:
        return _bad_output(job, ports, error)
    except errors.VendorError as error:
        return try_collecting_again(job, ports, str(error), count=no_news(error))
    except StorageError as error:
        return try_collecting_again(job, ports, str(error), count={"store_retries": 1})
    return _staged(job, ports, checked)


def _facts(job: Job, number: int, picture: bytes, ports: Ports) -> StoredPicture:
    """What a result is known by. Hashed once, here, while the bytes are in the processor's cache."""
    width, height = size_of(picture)
    digest = hashlib.sha256(picture).hexdigest()
    key = ports.pictures.key_of(job, number)
    return StoredPicture(key=key, sha256=digest, bytes=len(picture), width=width, height=height)


def no_news(error: errors.WorkerError) -> dict[str, int]:
    """Count a poll that says nothing about its job."""
    misdirected = {"polls.misdirected": 1} if isinstance(error, errors.MisdirectedReply) else {}
    return {"polls.failed": 1, **misdirected}


def try_collecting_again(job: Job, ports: Ports, reason: str, *, not_found: int = 0, count: dict[str, int]) -> Outcome:
    """The vendor has delivered and been paid: this is tried until it works, or the vendor forgets the job.

    `not_found` counts looks answered 404 in a row; `count` says whose failure it was: the vendor's, or the store's.
    """
    tries = job.retries + 1
    wait = backoff(tries)
    change = Change(
        to=State.STORING,
        fields={
            "retries": tries,
            "staged": None,
            "staged_bytes": 0,
            "checked": None,
            "polls": job.polls + 1,
            "not_found": not_found,
        },
        due_in=wait,
        note="not stored",
        data={"reason": reason, "tries": tries},
        count={"polls": 1, **count},
    )
    return Retry(wait, reason) if ports.session.advance(job, change) else STALE


def _pass_slot_on(job: Job, look: StatusReply, ports: Ports) -> Job | None:
    change = Change(
        to=State.STORING,
        fields={"vendor_status": "COMPLETED", "polls": job.polls + 1, "not_found": 0, "retries": 0},
        stamps={"terminal_at": 0},
        due_in=ports.policy.rescue_after,
        note="completed",
        count={"polls": 1, "completed": 1},
        observe=service_time_sample(job, look, ports),
        timed={"detection": detection_delay(job, look, ports)},
    )
    return ports.session.advance(job, change)


def _bad_output(job: Job, ports: Ports, error: errors.OutputMissing | errors.OutputInvalid) -> Outcome:
    if job.retries + 1 < BAD_OUTPUTS:
        return try_collecting_again(job, ports, str(error), count=no_news(error))
    return fail(job, ports, error.code, str(error))


def _staged(job: Job, ports: Ports, checked: tuple[StoredPicture, ...]) -> Outcome:
    found_late: dict[str, FieldValue] = {"vendor_status": "COMPLETED", "polls": job.polls + 1}
    known = job.terminal_at is not None
    fields: dict[str, FieldValue] = {
        "staged": len(checked),
        "staged_bytes": sum(picture.bytes for picture in checked),
        "checked": checked,
        "retries": 0,
    }
    change = Change(
        to=State.STORING,
        fields={**fields, **({} if known else found_late)},
        stamps={} if known else {"terminal_at": 0},
        count={} if known else {"polls": 1},
        due_in=ports.policy.rescue_after,
        sends=True,
        note="staged",
        data={"pictures": len(checked)},
    )
    staged = ports.session.advance(job, change)
    if staged is None:
        ports.session.mark_orphaned(job)
        return STALE
    return Next(staged, Step.FINALIZE)
