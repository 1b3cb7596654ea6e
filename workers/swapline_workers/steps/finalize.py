"""finalize: store the pictures under the names that the job determines, and write the receipt last.

They are stored from this process's memory. Where they are not there (a rescue, a worker that does nothing else), the
vendor is asked for them again, which is free. Doing it twice is doing it once: names and bytes are the same each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import Canceling, FailureCode, Job, State, StoredPicture
from swapline_producer.errors import StorageError
from swapline_producer.storage.keys import PNG, media_type_of
from swapline_workers import errors
from swapline_workers.core.outcomes import STALE, Outcome, Stop
from swapline_workers.steps import status
from swapline_workers.steps.collect import read
from swapline_workers.steps.finish import fail, succeed
from swapline_workers.steps.storing import STORE_FAILED, bad_output, give_up, try_again, wait_for_place

if TYPE_CHECKING:
    from swapline_workers.core.picture_memory import Place
    from swapline_workers.steps.ports import Ports, StatusReply
    from swapline_workers.steps.storing import Learned


def finalize(job: Job, _at: int, ports: Ports) -> Outcome:
    """Store the pictures of a job that the vendor has completed."""
    if job.state is not State.STORING or job.vendor_job_id is None:
        return Stop(f"nothing to store in {job.state}")
    if job.canceling is Canceling.DROP:
        return fail(job, ports, FailureCode.CANCELED, "canceled; its result was dropped", to=State.CANCELED)
    with ports.memory.place(job) as place:
        if place is None:
            return wait_for_place(job, ports)
        return _store(job, place, ports, {}) if place.pictures else _ask(job, job.vendor_job_id, place, ports)


def _ask(job: Job, vendor_job_id: str, place: Place, ports: Ports) -> Outcome:
    """Read the pictures from the vendor again, then store them."""
    learned: Learned = {"polls": job.polls + 1, "not_found": 0}
    try:
        with ports.vendor.poll(vendor_job_id, job.spec.api_version) as reply:
            if reply.status != status.COMPLETED:
                return _not_completed(job, reply, ports, learned)
            learned |= _completed_late(job, ports)
            place.pictures = read(job, reply)
    except (errors.OutputMissing, errors.OutputInvalid) as error:
        return bad_output(job, ports, error, learned)
    except errors.VendorError as error:
        return _no_news(job, error, ports, learned)
    return _store(job, place, ports, learned)


def _completed_late(job: Job, ports: Ports) -> Learned:
    """A job that had been given up turns out to be done."""
    return {} if job.terminal_at else {"vendor_status": status.COMPLETED, "terminal_at": ports.session.now()}


def _not_completed(job: Job, reply: StatusReply, ports: Ports, learned: Learned) -> Outcome:
    learned["vendor_status"] = reply.status
    if reply.status in status.ENDED:
        return give_up(job, ports, *status.failure(reply), learned)
    if job.terminal_at is None:
        return status.runs_after_all(job, reply, ports)
    reason = f"the vendor says {reply.status} after COMPLETED"
    if status.out_of_time(job, ports):
        return give_up(job, ports, FailureCode.RUN_TIMEOUT, reason, learned, to=State.TIMED_OUT)
    return try_again(job, ports, reason, learned)


def _no_news(job: Job, error: errors.VendorError, ports: Ports, learned: Learned) -> Outcome:
    if isinstance(error, errors.NotFound):
        if status.forgotten(job, ports):
            return give_up(job, ports, FailureCode.LOST, status.lost(error), learned)
        learned["not_found"] = job.not_found + 1
    wait = error.retry_after or 0.0 if isinstance(error, errors.Throttled) else 0.0
    return try_again(job, ports, str(error), learned, at_least=wait, count=status.no_news(error))


def _store(job: Job, place: Place, ports: Ports, learned: Learned) -> Outcome:
    place.pictures = ports.finisher.finish(job, place.pictures)
    try:
        ports.pictures.store(job.model_copy(update=learned), place.pictures)
    except StorageError as error:
        return try_again(job, ports, str(error), {**learned, "bad_outputs": 0}, place=place, count=STORE_FAILED)
    images = tuple(picture.known for picture in place.pictures)
    warnings = [warning for picture in place.pictures for warning in picture.warnings]
    outcome = succeed(job, ports, {**learned, "images": images}, [*_warnings(job, images), *warnings])
    place.pictures = ()
    if outcome == STALE:
        ports.session.mark_orphaned(job)
    return outcome


def _warnings(job: Job, images: tuple[StoredPicture, ...]) -> list[str]:
    """A picture of another size or type than the page promises is stored all the same: it is paid."""
    width, height = job.spec.expected_size
    kinds = [(image.key, media_type_of(image.key)) for image in images]
    other_types = [f"{key} is {kind}; {PNG} was expected" for key, kind in kinds if kind != PNG]
    return other_types + [
        f"{image.key} is {image.width}x{image.height}; {width}x{height} was expected"
        for image in images
        if (image.width, image.height) != (width, height)
    ]
