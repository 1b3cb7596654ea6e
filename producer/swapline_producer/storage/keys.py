"""What objects are called: the one place that knows which object lies where.

inputs/{sha256}                                      stored by the producer, once for all jobs that use it
staging/{job}/{n}                                    decoded, not yet a result; n counts from 0
results/{tenant}/{yyyy}/{mm}/{dd}/{job}/{n}.png      the day the job was accepted, UTC
results/{tenant}/{yyyy}/{mm}/{dd}/{job}/receipt.json
owner.json                                           which installation the store belongs to
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapline_producer.contract import result_folder

if TYPE_CHECKING:
    from swapline_producer.contract import Job

__all__ = ["receipt_key", "result_folder", "staged_key", "staging_folder"]

INPUTS, STAGING, RESULTS = "inputs", "staging", "results"
AREAS = (INPUTS, STAGING, RESULTS)
OWNER = "owner.json"
RECEIPT = "receipt.json"

FOLDER_PARTS = 6
"""`results/{tenant}/{yyyy}/{mm}/{dd}/{job}`: the sixth part of a result's name is its job."""


def staging_folder(job_id: str) -> str:
    """Where the pictures of a job lie until they are results."""
    return f"{STAGING}/{job_id}"


def staged_key(job_id: str, number: int) -> str:
    """Where one staged picture lies, counted from 0."""
    return f"{staging_folder(job_id)}/{number}"


def receipt_key(job: Job) -> str:
    """Where the receipt of a job lies."""
    return f"{result_folder(job)}/{RECEIPT}"
