"""After COMPLETED: pass the slot on, then read the pictures, which takes long."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from swapline_producer.contract import Job, Step, StoredPicture, transitions
from swapline_producer.storage.keys import result_key
from swapline_workers.core.outcomes import Next, not_written
from swapline_workers.core.picture_memory import Picture
from swapline_workers.core.reply.picture import info_of
from swapline_workers.errors import OutputInvalid, OutputMissing, VendorError
from swapline_workers.steps.schedule import detection_delay, service_time_sample
from swapline_workers.steps.status import no_answer_counts
from swapline_workers.steps.storing import await_memory, bad_output, try_again

if TYPE_CHECKING:
    from swapline_workers.steps.decision import Decision
    from swapline_workers.steps.ports import Ports, StatusReply


def take_over(job: Job, reply: StatusReply, ports: Ports) -> Decision:
    """Write the completion, which passes the slot on; read the pictures."""
    change = transitions.completed(
        job,
        rescue_after=ports.policy.rescue_after,
        service_times=service_time_sample(job, reply, ports),
        detection_delay=detection_delay(job, reply, ports),
    )
    storing = ports.writes.advance(job, change)
    return _collect(storing, reply, ports) if isinstance(storing, Job) else not_written(storing)


def _collect(job: Job, reply: StatusReply, ports: Ports) -> Decision:
    decision: Decision = Next(job, Step.FINALIZE)
    if ports.memory.used:
        with ports.memory.place(job) as place:
            try:
                if place is None:
                    decision = await_memory(job)
                else:
                    place.keep(job, read(job, reply))
            except (OutputMissing, OutputInvalid) as error:
                decision = bad_output(job, ports, error, {})
            except VendorError as error:  # they broke off on the wire: finalize reads them again
                decision = try_again(job, ports, str(error), {}, count=no_answer_counts(error))
    return decision


def read(job: Job, reply: StatusReply) -> tuple[Picture, ...]:
    """Read the pictures of a reply. Raises OutputMissing, OutputInvalid, VendorError."""
    return tuple(_picture(job, number, data) for number, data in enumerate(reply.pictures()))


def _picture(job: Job, number: int, data: bytes) -> Picture:
    """Hash a picture while its bytes are in the processor's cache."""
    kind, width, height = info_of(data)
    digest = hashlib.sha256(data).hexdigest()
    key = result_key(job, number, kind)
    known = StoredPicture(key=key, sha256=digest, bytes=len(data), width=width, height=height)
    return Picture(known, data)
