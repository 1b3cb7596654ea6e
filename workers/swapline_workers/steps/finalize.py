"""finalize: store each staged picture under the name that the job determines, and write the receipt.

Doing it twice is doing it once: names and bytes are the same each time.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from swapline_producer.contract import Job, State, StoredPicture
from swapline_producer.contract.changes import Change, FieldValue
from swapline_producer.errors import ObjectMissing, StorageUnavailable
from swapline_workers.core.outcomes import STALE, Outcome, Retry, Stop
from swapline_workers.core.reply.png import PngError, walk
from swapline_workers.core.retry import backoff
from swapline_workers.steps.collect import try_collecting_again, wait_for_room
from swapline_workers.steps.drop import drop, not_wanted
from swapline_workers.steps.finish import succeed

if TYPE_CHECKING:
    from swapline_workers.steps.ports import Ports


def finalize(job: Job, _at: int, ports: Ports) -> Outcome:
    """Store what was staged."""
    if job.state is not State.STORING or not job.staged:
        return Stop(f"nothing staged in {job.state}")
    if not_wanted(job):
        return drop(job, ports)
    with ports.pictures.room() as there_is_room:
        return _store(job, ports) if there_is_room else wait_for_room(job, ports)


def _store(job: Job, ports: Ports) -> Outcome:
    try:
        images, cleared = _published(job, ports)
    except StorageUnavailable as error:
        return _try_again(job, ports, str(error))
    except (ObjectMissing, PngError) as error:
        reason = f"what was staged is gone or broken: {error}"
        return try_collecting_again(job, ports, reason, count={"store_retries": 1})
    fields: dict[str, FieldValue] = {"images": images, "staged": None, "checked": None}
    outcome = succeed(job, ports, fields, _warnings(job, images), cleared=cleared)
    if outcome == STALE:
        ports.session.mark_orphaned(job)
    elif not cleared:
        ports.pictures.unstage(job)
    return outcome


def _published(job: Job, ports: Ports) -> tuple[tuple[StoredPicture, ...], bool]:
    """Store the pictures: as they were checked when they were staged, or checked again where that is not known.

    Gives them, and whether nothing is left in staging.
    """
    if len(job.checked) == job.staged:
        return job.checked, ports.pictures.publish(job, _receipt(job, job.checked))
    images = tuple(_stored(job, number, ports) for number in range(job.staged))
    ports.pictures.write_receipt(job, _receipt(job, images))
    return images, False


def _stored(job: Job, number: int, ports: Ports) -> StoredPicture:
    picture = ports.pictures.staged(job, number)
    info = walk(picture, inflate=False)  # the pixels were checked when it was read; this finds a broken stage
    key = ports.pictures.store(job, number, picture)
    digest = hashlib.sha256(picture).hexdigest()
    return StoredPicture(key=key, sha256=digest, bytes=len(picture), width=info.width, height=info.height)


def _receipt(job: Job, images: tuple[StoredPicture, ...]) -> bytes:
    """What a person finds beside the pictures when the ledger has long forgotten the job."""
    facts = {
        "job_id": job.job_id,
        "tenant": job.tenant,
        "batch": job.spec.batch,
        "metadata": job.spec.metadata,
        "vendor_job_id": job.vendor_job_id,
        "api_version": job.spec.api_version,
        "filter_id": job.spec.model_dump(mode="json")["filter_id"],
        "credits": job.credits,
        "created_at": job.created_at,
        "submitted_at": job.submitted_at,
        "terminal_at": job.terminal_at,
        "images": [image.model_dump() for image in images],
    }
    return json.dumps(facts, indent=2, sort_keys=True).encode()


def _warnings(job: Job, images: tuple[StoredPicture, ...]) -> list[str]:
    """A picture of another size than the page promises is stored all the same: it is paid."""
    width, height = job.spec.expected_size
    return [
        f"{image.key} is {image.width}x{image.height}; {width}x{height} was expected"
        for image in images
        if (image.width, image.height) != (width, height)
    ]


def _try_again(job: Job, ports: Ports, reason: str) -> Outcome:
    tries = job.retries + 1
    wait = backoff(tries)
    change = Change(
        to=State.STORING,
        fields={"retries": tries},
        due_in=wait,
        note="not stored",
        data={"reason": reason, "tries": tries},
        count={"store_retries": 1},
    )
    return Retry(wait, reason) if ports.session.advance(job, change) else STALE
