"""finalize: store the pictures under names that the job determines, and write the receipt last.

Pictures not in memory are asked of the vendor again, which is free. Repeatable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Canceling, FailureCode, Job, State, StoredPicture, transitions
from swapline_producer.contract.answers import LostRace
from swapline_producer.errors import StorageError
from swapline_producer.storage.keys import PNG, media_type_of
from swapline_workers import errors
from swapline_workers.core.outcomes import Again, Outcome, Stop, not_written
from swapline_workers.steps import status
from swapline_workers.steps.collect import read
from swapline_workers.steps.decision import Decision, Write, carry_out, end
from swapline_workers.steps.schedule import next_poll_delay
from swapline_workers.steps.storing import STORE_FAILED, await_memory, bad_output, give_up, try_again

if TYPE_CHECKING:
    from swapline_producer.contract.changes import JobFields
    from swapline_workers.core.outcomes import Refused
    from swapline_workers.core.picture_memory import Place
    from swapline_workers.steps.ports import Ports, StatusReply


def finalize(job: Job, _at: int, ports: Ports) -> Outcome:
    """Store the pictures of a completed job."""
    if job.state is not State.STORING or job.vendor_job_id is None:
        return Stop(f"nothing to store in {job.state}")
    if job.canceling is Canceling.DROP:
        return carry_out(end(job, transitions.canceled_dropped(job)), ports.writes.advance)
    with ports.memory.place(job) as place:
        if place is None:
            decision = await_memory(job)
        elif place.pictures:
            decision = _store(job, place, ports, {})
        else:
            decision = _ask(job, job.vendor_job_id, place, ports)
        return carry_out(decision, ports.writes.advance)


def _ask(job: Job, vendor_job_id: str, place: Place, ports: Ports) -> Decision:
    learned: JobFields = {"polls": job.polls + 1, "not_found": 0}
    decision: Decision | None = None
    try:
        with ports.vendor_of(job).poll(vendor_job_id, job.spec.api_version) as reply:
            if reply.status != status.COMPLETED:
                decision = _not_completed(job, reply, ports, learned)
            else:
                if not job.terminal_at:  # it had been given up, and turns out to be done
                    learned |= {"vendor_status": status.COMPLETED, "terminal_at": ports.view.now()}
                place.pictures = read(job, reply)
    except (errors.OutputMissing, errors.OutputInvalid) as error:
        decision = bad_output(job, ports, error, learned)
    except errors.VendorError as error:
        decision = _no_answer(job, error, ports, learned)
    return decision or _store(job, place, ports, learned)


def _not_completed(job: Job, reply: StatusReply, ports: Ports, learned: JobFields) -> Decision:
    """Decide about another status after COMPLETED, or after the job was given up."""
    learned["vendor_status"] = reply.status
    reason = f"the vendor says {reply.status} after COMPLETED"
    if reply.status in status.ENDED:
        decision = give_up(job, ports, *status.failure(reply), learned)
    elif job.terminal_at is None:
        decision = _running_again(job, reply, ports)
    elif status.out_of_time(job, ports):
        decision = give_up(job, ports, FailureCode.RUN_TIMEOUT, reason, learned)
    else:
        decision = try_again(job, ports, reason, learned)
    return decision


def _running_again(job: Job, reply: StatusReply, ports: Ports) -> Decision:
    wait = next_poll_delay(job, ports, answered_after=reply.answered_after)
    change = transitions.running_again(job, reply.status, poll_in=wait, count=status.poll_counts(reply))
    return Write(job, change, lambda _: Again(wait, f"the vendor says {reply.status}"))


def _no_answer(job: Job, error: errors.VendorError, ports: Ports, learned: JobFields) -> Decision:
    if isinstance(error, errors.NotFound):
        if status.forgotten(job, ports):
            return give_up(job, ports, FailureCode.LOST, status.lost(error), learned)
        learned["not_found"] = job.not_found + 1
    wait = error.retry_after or 0.0 if isinstance(error, errors.Throttled) else 0.0
    return try_again(job, ports, str(error), learned, at_least=wait, count=status.no_answer_counts(error))


def _store(job: Job, place: Place, ports: Ports, learned: JobFields) -> Decision:
    place.pictures = ports.finisher.finish(job, place.pictures)
    try:
        ports.pictures.store(job.model_copy(update=dict(learned)), place.pictures)
    except StorageError as error:
        return try_again(job, ports, str(error), {**learned, "bad_outputs": 0}, place=place, count=STORE_FAILED)
    images = tuple(picture.known for picture in place.pictures)
    warnings = [*_warnings(job, images), *(warning for picture in place.pictures for warning in picture.warnings)]
    rescue_after = ports.policy.rescue_after
    change = transitions.succeeded(job, images, rescue_after=rescue_after, learned=learned, warnings=warnings)

    def otherwise(answer: Refused) -> Outcome:
        place.pictures = ()  # the next try does not need them, whatever happens here
        if isinstance(answer, LostRace):
            ports.writes.mark_orphaned(job)
        return not_written(answer)

    return Write(job, change, end(job, change).then, otherwise)


def _warnings(job: Job, images: tuple[StoredPicture, ...]) -> list[str]:
    """Of an unpromised size or type: stored, because paid for."""
    width, height = job.spec.expected_size
    kinds = [(image.key, media_type_of(image.key)) for image in images]
    other_types = [f"{key} is {kind}; {PNG} was expected" for key, kind in kinds if kind != PNG]
    return other_types + [
        f"{image.key} is {image.width}x{image.height}; {width}x{height} was expected"
        for image in images
        if (image.width, image.height) != (width, height)
    ]
