"""COMPLETED: pass the slot on, then read the pictures off the wire and check them, into this process's memory.

The slot goes on before the pictures are read: megabytes on the wire must not keep the next job waiting.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from swapline_producer.contract import Job, State, Step, StoredPicture
from swapline_producer.contract.changes import Change
from swapline_producer.storage.keys import result_key
from swapline_workers.core.outcomes import Next, Outcome
from swapline_workers.core.picture_memory import Picture
from swapline_workers.core.reply.picture import info_of
from swapline_workers.steps.schedule import detection_delay, service_time_sample
from swapline_workers.steps.storing import wait_for_place

if TYPE_CHECKING:
    from swapline_workers.steps.ports import Ports, StatusReply


def pass_slot_on(job: Job, reply: StatusReply, ports: Ports) -> Job | None:
    """Write that the vendor has completed a job, and give its slot to the next one; None when the job has moved on."""
    return ports.session.advance(job, _completed(job, reply, ports))


def collect(job: Job, reply: StatusReply, ports: Ports) -> Outcome:
    """Read the pictures of a completed job, where this process stores them. Raises OutputMissing and the like."""
    if ports.memory.used:
        with ports.memory.place(job) as place:
            if place is None:
                return wait_for_place(job, ports)
            place.keep(job, read(job, reply))
    return Next(job, Step.FINALIZE)


def read(job: Job, reply: StatusReply) -> tuple[Picture, ...]:
    """Read the pictures of a reply that says COMPLETED. Raises OutputMissing, OutputInvalid, VendorError."""
    return tuple(_picture(job, number, data) for number, data in enumerate(reply.pictures()))


def _picture(job: Job, number: int, data: bytes) -> Picture:
    """Hash a picture here, while its bytes are in the processor's cache."""
    kind, width, height = info_of(data)
    digest = hashlib.sha256(data).hexdigest()
    key = result_key(job, number, kind)
    known = StoredPicture(key=key, sha256=digest, bytes=len(data), width=width, height=height)
    return Picture(known, data)


def _completed(job: Job, reply: StatusReply, ports: Ports) -> Change:
    return Change(
        to=State.STORING,
        fields={"vendor_status": "COMPLETED", "polls": job.polls + 1, "not_found": 0, "retries": 0, "bad_outputs": 0},
        stamps={"terminal_at": 0, "storing_since": 0},
        due_in=ports.policy.rescue_after,
        sends=True,
        note="completed",
        count={"polls": 1, "completed": 1},
        observe=service_time_sample(job, reply, ports),
        timed={"detection": detection_delay(job, reply, ports)},
    )
