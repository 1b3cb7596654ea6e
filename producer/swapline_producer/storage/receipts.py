"""Receipts, written after a job's pictures: with it they are results. They outlive the ledger's record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from swapline_producer.contract import Job, StoredPicture
from swapline_producer.errors import ObjectMissing
from swapline_producer.storage.keys import receipt_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swapline_producer.contract.jobs.job import StoredFile
    from swapline_producer.storage import Storage


def receipt_of(job: Job, images: Sequence[StoredPicture]) -> bytes:
    """Return a job's receipt as JSON."""
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
    return orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def find_receipt(storage: Storage, job: Job) -> dict[str, Any] | None:
    """Return a job's receipt; None where missing or broken. Raises StorageUnavailable."""
    try:
        found: dict[str, Any] = orjson.loads(storage.get(receipt_key(job)))
        found["images"] = tuple(StoredPicture.model_validate(image) for image in found["images"])
    except (ObjectMissing, ValueError, TypeError, KeyError):
        return None
    return found


def stored_pictures(storage: Storage, job: Job) -> tuple[StoredPicture, ...]:
    """Return the pictures of this submission's receipt, if all are there. Raises StorageUnavailable."""
    receipt = find_receipt(storage, job)
    if receipt is None or receipt.get("vendor_job_id") != job.vendor_job_id:
        return ()
    images: tuple[StoredPicture, ...] = receipt["images"]
    objects: list[StoredFile] = [one for image in images for one in (image, *image.variants)]
    return images if all(storage.head(one.key) == one.bytes for one in objects) else ()
