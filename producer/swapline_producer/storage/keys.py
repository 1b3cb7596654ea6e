"""The names of all objects.

inputs/{sha256}                                      stored by the producer, once for all jobs that use it
results/{tenant}/{yyyy}/{mm}/{dd}/{job}/{n}.png      the day of acceptance, UTC; n counts from 0; .jpg, .webp
results/…/{job}/{n}.{variant}.jpg                    variants beside it
results/…/{job}/receipt.json                         written last: with it the pictures are results
owner.json                                           which installation the store belongs to
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import result_folder

if TYPE_CHECKING:
    from swapline_producer.contract import Job

__all__ = ["receipt_key", "result_folder", "result_key"]

INPUTS, RESULTS = "inputs", "results"
AREAS = (INPUTS, RESULTS)
PNG = "image/png"
SUFFIXES = {PNG: ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
OWNER = "owner.json"
RECEIPT = "receipt.json"
PROBE = f"{RESULTS}/.probe"
"""Written by a worker to test the store; no tenant has such a name."""

FOLDER_PARTS = 6
"""Parts of `results/{tenant}/{yyyy}/{mm}/{dd}/{job}`."""


def result_key(job: Job, number: int, media_type: str = PNG) -> str:
    """Return where one picture of a job lies, counted from 0."""
    return f"{result_folder(job)}/{number}{SUFFIXES[media_type]}"


def media_type_of(key: str) -> str:
    """Return the media type of a result by its name."""
    return next((kind for kind, suffix in SUFFIXES.items() if key.endswith(suffix)), PNG)


def receipt_key(job: Job) -> str:
    """Return where the receipt of a job lies."""
    return f"{result_folder(job)}/{RECEIPT}"
